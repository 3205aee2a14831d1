/* The version of segarena: said once, here. The Makefile, --version, the man pages and the tarball take it from this line. */
#ifndef SA_CORE_VERSION_H
#define SA_CORE_VERSION_H

#define SA_VERSION "0.9.0"

#endif
