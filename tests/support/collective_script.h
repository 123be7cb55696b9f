// One script of every collective, over odd sizes, all types and subgroups; what each rank got, as bytes. Two
// communicators are the same to the bit when their scripts are.
#pragma once

#include <cmath>
#include <type_traits>
#include <vector>

#include "ops/narrow_floats.h"
#include "ops/philox.h"
#include "parallel/comm/communicator.h"

namespace ctrain {

// Element `i` of member `member`: magnitudes differ widely, so that another order of summation shows.
template <typename T>
T script_value(int member, std::int64_t i) {
  const std::uint64_t key = random_key(7, "script", static_cast<std::uint64_t>(member));
  const double value = random_normal(key, static_cast<std::uint64_t>(i)) *
                       std::pow(10.0, static_cast<double>(random_below(key, static_cast<std::uint64_t>(i), 9)) - 4);
  return static_cast<T>(std::is_integral_v<T> ? value * 100 : value);
}

template <typename T>
std::vector<T> script_data(int member, std::int64_t count) {
  std::vector<T> data(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) data[static_cast<std::size_t>(i)] = script_value<T>(member, i);
  return data;
}

template <typename T>
ConstSpan view(const std::vector<T>& data) {
  return {data.data(), static_cast<std::int64_t>(data.size()), dtype_of<T>()};
}

template <typename T>
Span view(std::vector<T>& data) {
  return {data.data(), static_cast<std::int64_t>(data.size()), dtype_of<T>()};
}

template <typename T>
void append_script(Communicator& comm, std::int64_t count, std::vector<std::byte>& log) {
  const auto n = static_cast<std::int64_t>(comm.size());
  const std::vector<T> mine = script_data<T>(comm.rank(), count), blocks = script_data<T>(comm.rank(), n * count);
  const auto size_for = [](std::int64_t elements) { return std::vector<T>(static_cast<std::size_t>(elements)); };
  const auto keep = [&](const std::vector<T>& data) {
    const auto* bytes = reinterpret_cast<const std::byte*>(data.data());
    log.insert(log.end(), bytes, bytes + data.size() * sizeof(T));
  };
  std::vector<T> one = size_for(count), all = size_for(n * count);
  comm.all_gather(view(mine), view(all)), keep(all);
  comm.all_to_all(view(blocks), view(all)), keep(all);
  comm.shift(view(mine), view(one)), keep(one);
  for (const Reduction reduction : {Reduction::sum, Reduction::max}) {
    comm.all_reduce(view(mine), view(one), reduction), keep(one);
    comm.reduce_scatter(view(blocks), view(one), reduction), keep(one);
    std::vector<T> in_place = mine;
    comm.all_reduce(view(in_place), view(in_place), reduction), keep(in_place);
    for (int root = 0; root < comm.size(); ++root) {
      std::vector<T> result = size_for(comm.rank() == root ? count : 0);
      comm.reduce(view(mine), view(result), root, reduction), keep(result);
    }
  }
  for (int root = 0; root < comm.size(); ++root) {
    std::vector<T> data = comm.rank() == root ? mine : size_for(count);
    comm.broadcast(view(data), root), keep(data);
  }
  comm.barrier();
}

// Over the whole group and over its two halves at once (odd and even positions).
inline std::vector<std::byte> run_collective_script(Communicator& world, std::int64_t longest = 5003) {
  std::vector<int> half;
  for (int i = world.rank() % 2; i < world.size(); i += 2) half.push_back(i);
  const auto part = world.subgroup(half, "half");
  std::vector<std::byte> log;
  for (Communicator* comm : {&world, part.get()})
    for (const std::int64_t count : {std::int64_t{0}, std::int64_t{1}, std::int64_t{37}, std::int64_t{1024}, longest}) {
      append_script<float>(*comm, count, log);
      append_script<double>(*comm, count, log);
      append_script<std::int32_t>(*comm, count, log);
      append_script<Bfloat16>(*comm, count, log);
    }
  return log;
}

}  // namespace ctrain
