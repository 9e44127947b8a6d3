// SPDX-License-Identifier: Apache-2.0
#include "train/pipeline_schedule.h"

#include <algorithm>

namespace saturn {
namespace {

using Kind = PipelineAction::Kind;

/// Adds a stage's actions in order, leaving out transfers to where nobody is.
class Writer {
 public:
  Writer(int stage, int stages) : first_(stage == 0), last_(stage + 1 == stages) {}

  void forward(int micro) { add(Kind::kForward, micro); }
  void backward(int micro) { add(Kind::kBackward, micro); }
  void receive_activation(int micro) {
    if (!first_) add(Kind::kReceiveActivation, micro);
  }
  void send_gradient(int micro) {
    if (!first_) add(Kind::kSendGradient, micro);
  }
  void send_activation(int micro) {
    if (!last_) add(Kind::kSendActivation, micro);
  }
  void receive_gradient(int micro) {
    if (!last_) add(Kind::kReceiveGradient, micro);
  }
  void swap_with_next(int sent, int received) {
    if (!last_) add(Kind::kSwapWithNext, sent, received);
  }
  void swap_with_previous(int sent, int received) {
    if (!first_) add(Kind::kSwapWithPrevious, sent, received);
  }

  std::vector<PipelineAction> actions;

 private:
  void add(Kind kind, int micro, int other = 0) { actions.push_back({kind, micro, other}); }
  bool first_, last_;
};

void gpipe(Writer& writer, int micros) {
  for (int i = 0; i < micros; ++i) {
    writer.receive_activation(i);
    writer.forward(i);
    writer.send_activation(i);
  }
  for (int i = 0; i < micros; ++i) {
    writer.receive_gradient(i);
    writer.backward(i);
    writer.send_gradient(i);
  }
}

/// `ahead`: forward passes before the first backward pass; later stages have fewer.
void one_forward_one_backward(Writer& writer, int ahead, int micros) {
  for (int i = 0; i < ahead; ++i) {
    writer.receive_activation(i);
    writer.forward(i);
    writer.send_activation(i);
  }
  if (ahead < micros) writer.receive_activation(ahead);
  for (int i = 0; i + ahead < micros; ++i) {
    writer.forward(i + ahead);
    writer.swap_with_next(i + ahead, i);
    writer.backward(i);
    if (i + ahead + 1 < micros) {
      writer.swap_with_previous(i, i + ahead + 1);
    } else {
      writer.send_gradient(i);
    }
  }
  for (int i = micros - ahead; i < micros; ++i) {
    writer.receive_gradient(i);
    writer.backward(i);
    writer.send_gradient(i);
  }
}

}  // namespace

std::vector<PipelineAction> pipeline_schedule(PipelineOrder order, int stage, int stages, int micros) {
  Writer writer(stage, stages);
  if (order == PipelineOrder::kGpipe) {
    gpipe(writer, micros);
  } else {
    one_forward_one_backward(writer, std::min(micros, stages - 1 - stage), micros);
  }
  return writer.actions;
}

}  // namespace saturn
