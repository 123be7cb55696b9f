// Where ranks find each other that no MPI connects: rank 0 serves host:port, every rank (0 too) connects to it,
// retrying until the timeout. It carries keys and values while communicators are set up (gloo's addresses, NCCL's id),
// and, as long as the job lives, the news that a rank has failed or died.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "parallel/comm/rendezvous_message.h"
#include "parallel/comm/socket.h"
#include "parallel/comm/wait_policy.h"

namespace ctrain {

struct RendezvousPlace {
  std::string host;  // of rank 0, as every rank can name it
  int port = 29500;
  int rank = 0, ranks = 1;
};

class RendezvousServer;

class Rendezvous {
 public:
  // Returns when all ranks are here. Who is missing is told to policy.warn after policy.warning seconds, and by the
  // Error at policy.timeout.
  Rendezvous(const RendezvousPlace& place, const WaitPolicy& policy);
  // Leaves with the others (as MPI_Finalize does), unless something has failed or an exception unwinds.
  ~Rendezvous();
  Rendezvous(const Rendezvous&) = delete;
  Rendezvous& operator=(const Rendezvous&) = delete;

  [[nodiscard]] const RendezvousPlace& place() const { return place_; }
  [[nodiscard]] const std::string& address() const { return address_; }  // by which the other ranks reach this one

  // For one thread at a time. get() waits until some rank has set the key, within the timeout; it throws where a rank
  // has failed. find() returns "" where
  // none has so far, and nothing where rank 0 does not answer soon: perhaps it is rank 0 that has stopped.
  void set(const std::string& key, const std::string& value);
  std::string get(const std::string& key);
  [[nodiscard]] std::optional<std::string> find(const std::string& key);

  // The first failure of any rank, told to all of them, or "". For any thread.
  [[nodiscard]] std::string failure() const;
  void fail(const std::string& message);

  // Says that this rank needs the others no more, and waits until all have said so, one has failed, or the timeout.
  // Called by the destructor where it was not before.
  void leave();

 private:
  using Kind = RendezvousMessage::Kind;
  void connect();
  void await_welcome();
  void listen();  // in thread listener_, for answers and failures
  void note_failure(const std::string& message);
  std::optional<RendezvousMessage> ask(const RendezvousMessage& question, double timeout);
  void check_failure() const;
  [[nodiscard]] std::string here() const;  // "rendezvous at node1:29500"

  const RendezvousPlace place_;
  const WaitPolicy policy_;
  const int exceptions_;  // that were in flight at construction
  std::unique_ptr<RendezvousServer> server_;
  Socket socket_;
  std::string address_, received_;
  bool has_left_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<RendezvousMessage> answer_;
  std::string failure_;
  bool is_closed_ = false;
  std::jthread listener_;
};

// A port that was free a moment ago.
int free_port();

}  // namespace ctrain
