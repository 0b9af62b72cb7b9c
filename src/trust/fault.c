#include "trust/fault.h"

G_DEFINE_QUARK(trustpool - fault, fault)
