// For mutation tests: a communicator that, at one call, keeps the shapes but withholds the others' data. A test of
// equality that still passes then does not look at what that call brings.
#pragma once

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "parallel/comm/communicator.h"

namespace ctrain {

// One per rank, shared by its groups. Counted are the calls that bring data of others: neither barriers, nor calls in
// groups of one, nor empty ones.
struct WithholdingPlan {
  std::int64_t withheld_call = -1;  // index of the call that brings nothing; the same on every rank; -1: none
  std::int64_t calls = 0;           // so far
};

class WithholdingCommunicator final : public Communicator {
 public:
  WithholdingCommunicator(Communicator& inner, std::shared_ptr<WithholdingPlan> plan)
      : Communicator(inner.rank(), inner.ranks(), inner.name()), inner_(inner), plan_(std::move(plan)) {}
  WithholdingCommunicator(std::unique_ptr<Communicator> inner, std::shared_ptr<WithholdingPlan> plan)
      : WithholdingCommunicator(*inner, std::move(plan)) {
    owned_ = std::move(inner);
  }

  void reserve(std::size_t bytes) override { inner_.reserve(bytes); }
  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members, const std::string& name) override {
    return std::make_unique<WithholdingCommunicator>(inner_.subgroup(members, name), plan_);
  }
  void abort(const std::string& message) override { inner_.abort(message); }

 private:
  void execute(const CollectiveCall& call) override {
    const bool counts = call.collective != Collective::barrier && size() > 1 && call.in.count > 0;
    if (!counts || plan_->calls++ != plan_->withheld_call) return inner_.run(call);
    std::vector<std::byte> own(static_cast<std::size_t>(call.in.bytes()));  // since it may run in place
    std::memcpy(own.data(), call.in.data, own.size());
    inner_.run(call);
    withhold(call, {own.data(), call.in.count, call.in.dtype});
  }

  // What the call would have brought from this member itself; zeros for the rest.
  void withhold(const CollectiveCall& call, ConstSpan own) const {
    const std::int64_t block = own.count / size();
    const auto fill = [&](std::int64_t begin, ConstSpan part) {
      std::memset(call.out.data, 0, static_cast<std::size_t>(ConstSpan(call.out).bytes()));
      std::memcpy(call.out.part(begin, part.count).data, part.data, static_cast<std::size_t>(part.bytes()));
    };
    switch (call.collective) {
      case Collective::all_gather:
        return fill(rank() * own.count, own);
      case Collective::all_to_all:
        return fill(rank() * block, own.part(rank() * block, block));
      case Collective::reduce_scatter:
        return fill(0, own.part(rank() * block, block));
      case Collective::all_reduce:
        return fill(0, own);
      case Collective::reduce:
        return rank() == call.root ? fill(0, own) : void();
      case Collective::broadcast:
        return rank() == call.root ? void() : fill(0, own.part(0, 0));
      case Collective::shift:
        return fill(0, own.part(0, 0));
      case Collective::barrier:
        return;
    }
  }

  std::unique_ptr<Communicator> owned_;  // empty where the caller keeps it
  Communicator& inner_;
  std::shared_ptr<WithholdingPlan> plan_;
};

}  // namespace ctrain
