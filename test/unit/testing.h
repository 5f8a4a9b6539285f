/* What every test of this project includes first: cmocka needs these headers in this order. */
#ifndef MF_TEST_TESTING_H
#define MF_TEST_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define assert_str(actual, expected)                                                                         \
    do {                                                                                                     \
        struct mf_str actual_ = (actual);                                                                    \
        struct mf_str expected_ = mf_str_from_c(expected);                                                   \
        assert_non_null(actual_.ptr);                                                                        \
        assert_int_equal(actual_.len, expected_.len);                                                        \
        assert_memory_equal(actual_.ptr, expected_.ptr, expected_.len);                                      \
    } while (0)

#endif
