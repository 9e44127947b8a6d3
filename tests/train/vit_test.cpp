// SPDX-License-Identifier: Apache-2.0
#include "train/vit.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>

#include "model_checks.h"

namespace saturn::vit_test {
using namespace saturn::test;

namespace {

ModelSpec small(const std::string& pool = "cls") {
  ModelSpec spec;
  spec.kind = "vit";
  spec.vit = {6, 2, 3, 2, 2, 8, 12, 5, pool};
  return spec;
}

/// The paper's formulas (its equations 1 to 4), one patch and head at a time.
class Formula {
 public:
  Formula(const Model& model, const VitModel& spec) : weights_(by_name(model)), spec_(spec) {}

  at::Tensor logits(const at::Tensor& images) const {
    at::Tensor x = embedded(images);
    for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
      const std::string name = "blocks." + std::to_string(layer);
      const at::Tensor qkv = linear(norm(x, name + ".norm1"), name + ".attn.qkv");
      x = x + linear(attention(qkv), name + ".attn.proj");
      x = x + linear(gelu_formula(linear(norm(x, name + ".norm2"), name + ".mlp.fc1")), name + ".mlp.fc2");
    }
    x = norm(x, "norm");
    return linear(spec_.pool == "cls" ? x.select(1, 0) : x.mean(1), "head");
  }

 private:
  const at::Tensor& w(const std::string& name) const { return weights_.at(name); }
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return layer_norm_formula(x, w(name + ".weight"), w(name + ".bias"), 1e-6);
  }
  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    return at::matmul(x, w(name + ".weight").t()) + w(name + ".bias");
  }
  at::Tensor embedded(const at::Tensor& images) const {
    std::vector<at::Tensor> tokens;
    if (spec_.pool == "cls") tokens.push_back(w("cls_token")[0][0].expand({images.size(0), spec_.width}));
    const std::int64_t side = spec_.image / spec_.patch;
    for (std::int64_t y = 0; y < side; ++y)
      for (std::int64_t x = 0; x < side; ++x) {
        const at::Tensor patch = images.narrow(2, y * spec_.patch, spec_.patch)
                                     .narrow(3, x * spec_.patch, spec_.patch)
                                     .unsqueeze(1);
        tokens.push_back((patch * w("patch_embed.proj.weight")).sum({2, 3, 4}) + w("patch_embed.proj.bias"));
      }
    return at::stack(tokens, 1) + w("pos_embed");
  }
  at::Tensor attention(const at::Tensor& qkv) const {
    const std::int64_t size = spec_.width / spec_.heads;
    std::vector<at::Tensor> heads;
    for (std::int64_t head = 0; head < spec_.heads; ++head) {
      const auto part = [&](std::int64_t which) {
        return qkv.narrow(2, which * spec_.width + head * size, size);
      };
      const at::Tensor scores =
          at::matmul(part(0), part(1).transpose(1, 2)) / std::sqrt(static_cast<double>(size));
      heads.push_back(at::matmul(at::softmax(scores, -1), part(2)));
    }
    return at::cat(heads, 2);
  }

  std::map<std::string, at::Tensor> weights_;
  VitModel spec_;
};

}  // namespace

TEST_CASE("vit: names and shapes are those of timm's VisionTransformer") {
  ModelSpec spec = small();
  spec.vit.layers = 1;
  CHECK(names_and_shapes(build_model(spec)) ==
        "patch_embed.proj.weight 8 2 3 3 decays\n"
        "patch_embed.proj.bias 8\n"
        "pos_embed 1 5 8\n"
        "cls_token 1 1 8\n"
        "blocks.0.norm1.weight 8\n"
        "blocks.0.norm1.bias 8\n"
        "blocks.0.attn.qkv.weight 24 8 decays\n"
        "blocks.0.attn.qkv.bias 24\n"
        "blocks.0.attn.proj.weight 8 8 decays\n"
        "blocks.0.attn.proj.bias 8\n"
        "blocks.0.norm2.weight 8\n"
        "blocks.0.norm2.bias 8\n"
        "blocks.0.mlp.fc1.weight 12 8 decays\n"
        "blocks.0.mlp.fc1.bias 12\n"
        "blocks.0.mlp.fc2.weight 8 12 decays\n"
        "blocks.0.mlp.fc2.bias 8\n"
        "norm.weight 8\n"
        "norm.bias 8\n"
        "head.weight 5 8 decays\n"
        "head.bias 5\n");
  spec.vit.pool = "mean";
  CHECK(names_and_shapes(build_model(spec)).find("pos_embed 1 4 8\nblocks.0.norm1") != std::string::npos);
}

TEST_CASE("vit: the forward pass agrees with the formulas written out") {
  for (const char* pool : {"cls", "mean"}) {
    CAPTURE(pool);
    const ModelSpec spec = small(pool);
    const Example example = some_samples(4, {2, 6, 6}, 5);
    const Model model = in_double(spec);
    CHECK(at::allclose(model.forward(example.inputs).detach(),
                       Formula(model, spec.vit).logits(example.inputs), 1e-9, 1e-9));
  }
}

TEST_CASE("vit: every gradient agrees with finite differences") {
  for (const char* pool : {"cls", "mean"})
    check_gradients(in_double(small(pool)), some_samples(4, {2, 6, 6}, 5));
}

TEST_CASE("vit: float32 and bfloat16 have the gradients of float64") {
  ModelSpec spec = small();
  spec.vit = {16, 3, 4, 2, 4, 32, 0, 10, "cls"};
  check_type(spec, some_samples(4, {3, 16, 16}, 10), at::kFloat, 3e-5);
  check_type(spec, some_samples(4, {3, 16, 16}, 10), at::kBFloat16, 0.05, 2);
}

}  // namespace saturn::vit_test
