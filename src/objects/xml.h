/* The little XML that S3 speaks: writing elements, and reading a small document without attributes. */
#ifndef MF_OBJECTS_XML_H
#define MF_OBJECTS_XML_H

#include "base/arena.h"
#include "base/buf.h"

#define MF_XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define MF_XML_S3 " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

void mf_xml_text(struct mf_buf *out, struct mf_str text);
void mf_xml_element(struct mf_buf *out, const char *name, struct mf_str text);

/* Calls visit at the end of each element with its name, without a prefix, and the text that stood directly in
 * it, until visit returns false. False when the text is no such document, when it is nested deeper than 8, or
 * when visit or memory said no. Document types and entities beyond the five of XML are refused. */
bool mf_xml_each(struct mf_arena *arena, struct mf_str document,
                 bool (*visit)(void *ctx, struct mf_str name, struct mf_str text), void *ctx);

#endif
