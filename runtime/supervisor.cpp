#include "runtime/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>

#include "memory/error.h"
#include "parallel/comm/socket.h"
#include "runtime/run.h"

namespace ctrain {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int usage_code = 2;  // nothing was started: there is nothing to wait for
// After a failure: how long the others, which learn of it by themselves, have to tell what they know; and how long
// programs on other hosts have to be ended there.
constexpr std::chrono::milliseconds grace(2000), grace_of_remote(5000);

// Ours without other launchers' marks, and the program's own.
std::vector<std::string> environment_of(const SupervisedProgram& program) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const bool is_launchers = text.starts_with("OMPI_") || text.starts_with("PMIX_");
    if (!is_launchers && !program.environment.contains(text.substr(0, text.find('=')))) entries.push_back(text);
  }
  for (const auto& [name, value] : program.environment) entries.push_back(fmt::format("{}={}", name, value));
  return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

class Supervisor {
 public:
  explicit Supervisor(bool is_remote) : input_(is_remote ? STDIN_FILENO : -1) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGHUP}) sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, &old_mask_);
    signals_ = Socket(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~Supervisor() {
    kill_all();
    for (const Child& child : children_)
      if (child.is_running) waitpid(child.pid, nullptr, 0);
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
  }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void start(const SupervisedProgram& program) {
    std::vector<std::string> arguments = program.arguments, environment = environment_of(program);
    const std::vector<char*> argv = pointers_to(arguments), envp = pointers_to(environment);
    std::array<int, 2> ends = {-1, -1};
    if (program.is_remote && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      throw running_error("{}: {}", program.name, std::strerror(errno));
    Socket input(ends[0]);
    const Socket theirs(program.is_remote ? ends[1] : open("/dev/null", O_RDONLY | O_CLOEXEC));
    const pid_t parent = getpid(), pid = fork();
    if (pid < 0) throw running_error("{} cannot be started: {}", program.name, std::strerror(errno));
    if (pid == 0) become(argv, envp, theirs.descriptor(), parent);
    children_.push_back({program.name, pid, std::move(input)});
  }

  int wait() {
    while (std::any_of(children_.begin(), children_.end(), [](const Child& child) { return child.is_running; })) {
      std::array<pollfd, 2> sources = {pollfd{signals_.descriptor(), POLLIN, 0}, {input_, POLLIN, 0}};
      poll(sources.data(), sources.size(), deadline_ ? 20 : -1);
      if (sources[1].revents != 0) read_input();
      pass_on_signals();
      reap();
      if (deadline_ && Clock::now() > *deadline_) kill_all();
    }
    return failure_.value_or(has_stopped_early_ ? exit_stopped_early : 0);
  }

 private:
  struct Child {
    std::string name;
    pid_t pid;
    Socket input;  // of a remote one
    bool is_running = true, is_told = false;
  };

  // In a process group of its own: Ctrl-C comes to us alone, and is passed on once. Ends with us.
  [[noreturn]] void become(const std::vector<char*>& argv, const std::vector<char*>& envp, int input, pid_t parent) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
    dup2(input, STDIN_FILENO);
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    execvpe(argv.front(), argv.data(), envp.data());
    fmt::print(stderr, "ctrain: error: {}: {}\n", argv.front(), std::strerror(errno));
    _exit(127);
  }

  void pass_on_signals() {
    signalfd_siginfo info;
    while (read(signals_.descriptor(), &info, sizeof info) == sizeof info) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal != SIGCHLD) send(signal == SIGHUP ? SIGTERM : signal);
    }
  }

  void read_input() {
    char signal = 0;
    if (read(STDIN_FILENO, &signal, 1) == 1) return send(signal);
    input_ = -1;  // who started us has gone, or wants the end
    is_given_up_ = true;
    kill_all();
  }

  void send(int signal) {
    for (const Child& child : children_) {
      if (!child.is_running) continue;
      const char byte = static_cast<char>(signal);
      if (child.input)
        send_all(child.input, {&byte, 1});
      else
        kill(child.pid, signal);
    }
  }

  // Of those that are found ended together, one that a signal ended is the cause, the others are what came of it.
  void reap() {
    std::optional<int> code;
    std::string told;
    for (Child& child : children_) {
      int status = 0;
      if (!child.is_running || waitpid(child.pid, &status, WNOHANG) != child.pid) continue;
      child.is_running = false;
      const bool is_signal = WIFSIGNALED(status);
      const int ended = is_signal ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      has_stopped_early_ = has_stopped_early_ || ended == exit_stopped_early;
      if (ended == 0 || ended == exit_stopped_early || ended <= code.value_or(0)) continue;
      code = ended;
      told = is_signal ? fmt::format("{} was ended by signal {} ({})", child.name, ended - 128, strsignal(ended - 128))
                       : fmt::format("{} ended with exit code {}", child.name, ended);
    }
    if (!code || failure_) return;
    failure_ = code;
    deadline_ = *code == usage_code ? Clock::now() : Clock::now() + grace;
    if (*code != usage_code && !is_given_up_) fmt::print(stderr, "ctrain run: {}: the others are ended\n", told);
  }

  // A remote program sees the end of its input and does the same over there; if it cannot, it is given up later.
  void kill_all() {
    for (Child& child : children_) {
      if (!child.is_running) continue;
      if (child.input && !child.is_told) {
        child.is_told = true;
        end_both_ways(child.input);
        deadline_ = Clock::now() + grace_of_remote;
      } else if (!child.input || Clock::now() > *deadline_) {
        kill(child.pid, SIGKILL);
      }
    }
  }

  int input_;
  sigset_t old_mask_ = {};
  Socket signals_;
  std::vector<Child> children_;
  std::optional<int> failure_;
  std::optional<Clock::time_point> deadline_;
  bool has_stopped_early_ = false, is_given_up_ = false;
};

}  // namespace

int supervise(const std::vector<SupervisedProgram>& programs, bool is_remote) {
  Supervisor supervisor(is_remote);
  for (const SupervisedProgram& program : programs) supervisor.start(program);
  return supervisor.wait();
}

}  // namespace ctrain
