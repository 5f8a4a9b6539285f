/* The version, from meson.build. */
#ifndef MF_SERVER_VERSION_H
#define MF_SERVER_VERSION_H

#ifndef MF_VERSION
#define MF_VERSION "unknown"
#endif

#endif
