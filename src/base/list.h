/*
 * Intrusive doubly linked lists: the links live inside the element, so joining and leaving never allocate.
 * A list is a ring through its head. Not thread-safe.
 */
#ifndef MF_BASE_LIST_H
#define MF_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct mf_link {
    struct mf_link *prev;
    struct mf_link *next;
};

struct mf_list {
    struct mf_link head;
    size_t count;
};

#define MF_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void mf_list_init(struct mf_list *list)
{
    list->head.prev = &list->head;
    list->head.next = &list->head;
    list->count = 0;
}

static inline bool mf_list_empty(const struct mf_list *list)
{
    return list->count == 0;
}

static inline void mf_list_push(struct mf_list *list, struct mf_link *link) /* at the end */
{
    link->prev = list->head.prev;
    link->next = &list->head;
    list->head.prev->next = link;
    list->head.prev = link;
    list->count++;
}

static inline void mf_list_remove(struct mf_list *list, struct mf_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = NULL;
    link->next = NULL;
    list->count--;
}

static inline struct mf_link *mf_list_first(const struct mf_list *list)
{
    return list->count > 0 ? list->head.next : NULL;
}

static inline struct mf_link *mf_list_next(const struct mf_list *list, const struct mf_link *link)
{
    return link->next == &list->head ? NULL : link->next;
}

static inline struct mf_link *mf_list_pop(struct mf_list *list) /* from the front; NULL when empty */
{
    struct mf_link *link = mf_list_first(list);
    if (link)
        mf_list_remove(list, link);
    return link;
}

#endif
