#include "server/absent.h"

#define APPS                                                                                                 \
    "apps need a cluster that hosts them; run an app on your machine with flyte serve --local, or make its " \
    "work "                                                                                                  \
    "a task"
#define CONNECTORS "tasks of connectors cannot run here; call the other system from a Python task"

static const struct mf_rpc_advice absent[] = {
    {"flyteidl2.app.AppService", APPS},
    {"flyteidl2.app.AppLogsService", APPS},
    {"flyteidl2.imagebuilder.ImageService", "images are neither built nor used, since tasks run in the "
                                            "Python environment of the server; install what they "
                                            "need there"},
    {"flyteidl2.artifact.ArtifactService",
     "there is no registry of artifacts; pass outputs of one task to the next, or read them from their run"},
    {"flyteidl2.connector.AsyncConnectorService", CONNECTORS},
    {"flyteidl2.connector.ConnectorMetadataService", CONNECTORS},
    {"flyteidl2.org.DomainService",
     "every project has the domains that the server is started with, see --domains"},
};

const struct mf_rpc_advice *mf_absent_services(size_t *count)
{
    *count = sizeof absent / sizeof absent[0];
    return absent;
}
