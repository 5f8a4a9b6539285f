#include "rpc/health.h"
#include "rpc/reflection.h"

enum mf_code mf_rpc_standard_services(struct mf_rpc *rpc, struct mf_error *err)
{
    enum mf_code code = mf_health_register(rpc, err);
    return code == MF_OK ? mf_reflection_register(rpc, err) : code;
}
