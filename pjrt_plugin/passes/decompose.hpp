// Operations that are made of others: what each is made of.
#pragma once

#include "passes/replace.hpp"

namespace tt::passes {

std::vector<ir::Value*> all_gather(const ir::Operation& operation, Builder& builder);
std::vector<ir::Value*> all_reduce(const ir::Operation& operation, Builder& builder);
std::vector<ir::Value*> all_to_all(const ir::Operation& operation, Builder& builder);
std::vector<ir::Value*> reduce_scatter(const ir::Operation& operation, Builder& builder);
std::vector<ir::Value*> batch_norm_inference(const ir::Operation& operation, Builder& builder);
std::vector<ir::Value*> batch_norm_training(const ir::Operation& operation, Builder& builder);
std::vector<ir::Value*> batch_norm_grad(const ir::Operation& operation, Builder& builder);
std::vector<ir::Value*> bitcast_of_parts(const ir::Operation& operation, Builder& builder);
std::vector<ir::Value*> first_of_nans(const ir::Operation& operation, Builder& builder);       // argmax and argmin
std::vector<ir::Value*> select_and_scatter(const ir::Operation& operation, Builder& builder);  // with large windows
std::vector<ir::Value*> rng(const ir::Operation& operation, Builder& builder);

}  // namespace tt::passes
