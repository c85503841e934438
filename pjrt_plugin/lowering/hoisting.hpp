// Programs of a loop's body whose operands no turn changes run once, before the loop.
#pragma once

#include "lowering/plan.hpp"

namespace tt::lowering {

void hoist_steps(Plan& plan);  // before memory is planned

}  // namespace tt::lowering
