/* Amounts as Kubernetes writes them. Pure. */
#ifndef MF_BASE_QUANTITY_H
#define MF_BASE_QUANTITY_H

#include "base/str.h"

/* "500m", "1", "1Gi", "2e3". False when the text is none or negative. */
bool mf_quantity(struct mf_str text, double *out);

#endif
