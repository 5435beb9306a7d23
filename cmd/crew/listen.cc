#include "cmd/crew/listen.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cmd/crew/crew.h"
#include "cmd/pair_up.h"
#include "cmd/self_and_peer.h"
#include "cmd/trust/key_rotation.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/connect/reception.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"
#include "net/signaling/mqtt_client.h"
#include "net/udp/event_loop.h"
#include "transfer/file/output_folder.h"

namespace p2pcp::cmd {
namespace {

// So often the contact book is looked at: whom `p2pcp pair` adds is let in, and
// whom `p2pcp peers remove` takes out is not.
constexpr Duration kBookInterval = 2s;
// Of one peer; twice as many where it may know us by an old key.
constexpr std::size_t kTopics = 3;

constexpr char kAny[] = "any";

// What a file looks like from outside: when it was replaced.
struct Stamp {
  ino_t inode = 0;
  timespec changed = {};
  bool operator==(const Stamp& other) const {
    return inode == other.inode && changed.tv_sec == other.changed.tv_sec &&
           changed.tv_nsec == other.changed.tv_nsec;
  }
};

Stamp StampOf(const std::filesystem::path& file) {
  struct stat status = {};
  if (stat(file.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_ctim};
}

class Listener {
 public:
  Listener(const Options& options, const Home& home, Console& console,
           Events& events)
      : options_(options), home_(home), console_(console), events_(events) {}

  Result<ExitCode> Run();

 private:
  // With the keys of now.
  Status OpenReception();
  // Whom the user means, of those in the book now.
  Result<std::vector<crypto::Contact>> Allowed() const;
  Status ReadBook();
  void Flush();
  void Admit();
  std::optional<ExitCode> Over(TimePoint now) const;

  const Options& options_;
  const Home& home_;
  Console& console_;
  Events& events_;
  SystemRandom random_;
  std::optional<crypto::Identity> self_;
  std::optional<crypto::Identity> former_;  // Of before a rotation.
  Stamp identity_;
  std::vector<crypto::Contact> peers_;
  Stamp book_;
  TimePoint book_at_;
  std::optional<connect::Reception> reception_;
  std::unique_ptr<Crew> crew_;
  // Those inside, by the keys that they came with: a transfer may bring
  // another one.
  std::map<std::string, crypto::PublicKey> inside_;
  TimePoint idle_since_;
  std::vector<ExitCode> codes_;  // One of each kind.
};

Result<std::vector<crypto::Contact>> Listener::Allowed() const {
  Result<crypto::ContactBook> book = crypto::ContactBook::Load(home_.peers);
  if (!book.ok()) return std::move(book).error();
  const bool any = options_.peers.front() == kAny;
  std::vector<crypto::Contact> allowed;
  std::size_t topics = 0;
  for (const crypto::Contact& contact : book->contacts()) {
    if (contact.key == self_->public_key()) continue;
    if (any || std::find(options_.peers.begin(), options_.peers.end(),
                         contact.name) != options_.peers.end()) {
      allowed.push_back(contact);
      topics += contact.rules.knows_old_key ? 2 * kTopics : kTopics;
    }
  }
  if (topics > signaling::MqttClient::kMaxTopics) {
    return Error{ErrorCode::kUsage,
                 fmt::format("{} peers are too many to listen for: {} at most; "
                             "name them, each with --from",
                             allowed.size(),
                             signaling::MqttClient::kMaxTopics / kTopics)};
  }
  return allowed;
}

Status Listener::OpenReception() {
  const Stamp identity = StampOf(home_.identity);
  Result<crypto::Identity> self =
      crypto::Identity::LoadOrGenerate(home_.identity, random_);
  if (!self.ok()) return std::move(self).error();
  const Result<crypto::ContactBook> book =
      crypto::ContactBook::Load(home_.peers);
  if (!book.ok()) return book.error();
  std::optional<crypto::Identity> former;
  for (const crypto::Contact& contact : book->contacts()) {
    if (!contact.rules.knows_old_key) continue;
    Result<std::optional<crypto::Identity>> old = LoadOldKey(home_, contact);
    if (!old.ok()) return std::move(old).error();
    former = *std::move(old);
    break;
  }
  reception_.reset();  // It holds on to the keys.
  self_ = *std::move(self);
  former_ = std::move(former);
  identity_ = identity;
  const std::size_t room = options_.listen ? options_.max_transfers : 1;
  reception_.emplace(
      connect::Reception::Config{&*self_, room, former_ ? &*former_ : nullptr},
      random_);
  book_ = {};
  return {};
}

Status Listener::ReadBook() {
  // `p2pcp id --rotate`; who is inside must leave by the door he came through.
  if (crew_->running() == 0 && StampOf(home_.identity) != identity_) {
    if (Status opened = OpenReception(); !opened.ok()) return opened;
  }

  const Stamp stamp = StampOf(home_.peers);
  if (stamp == book_) return {};
  Result<std::vector<crypto::Contact>> allowed = Allowed();
  // A book that is broken now is said once; who was allowed stays so.
  book_ = stamp;
  if (!allowed.ok()) return std::move(allowed).error();
  peers_ = *std::move(allowed);
  reception_->SetPeers(crew_->Now(), udp::WallTime(), peers_);
  return {};
}

void Listener::Admit() {
  while (const auto arrival = reception_->PollArrival()) {
    std::optional<BrokerHub::Message> first;
    if (!arrival->topic.empty()) first = {arrival->topic, arrival->offer};
    const Status started =
        crew_->Start({arrival->peer.name, 0, arrival->ready}, std::move(first));
    if (started.ok()) {
      inside_.insert_or_assign(arrival->peer.name, arrival->peer.key);
      continue;
    }
    console_.Error(
        fmt::format("{}: {}", arrival->peer.name, started.error().message));
    reception_->Leave(crew_->Now(), udp::WallTime(), arrival->peer.key);
  }
}

void Listener::Flush() {
  Admit();
  crew_->hub().SetTopics(reception_->Topics());
  while (const auto publish = reception_->PollPublish()) {
    crew_->hub().Publish(publish->topic, publish->payload);
  }
}

// With what it ends, if that is now.
std::optional<ExitCode> Listener::Over(TimePoint now) const {
  if (crew_->running() > 0) return std::nullopt;
  if (crew_->signal()) return crew_->signal();
  if (!options_.listen && !codes_.empty()) return codes_.back();
  if (options_.timeout && now >= idle_since_ + *options_.timeout) {
    return codes_.empty() ? ExitCode::kPeerNeverAppeared : Worst(codes_);
  }
  return std::nullopt;
}

Result<ExitCode> Listener::Run() {
  Result<file::OutputTarget> target = file::OpenOutput(options_.out);
  if (!target.ok()) return std::move(target).error();
  if (target->exact_name && options_.listen) {
    return Error{ErrorCode::kUsage, "--listen: --out must be a folder"};
  }
  // Whoever is new is paired with first; that also says what is wrong with a
  // name.
  for (const std::string& name : options_.peers) {
    if (name == kAny) continue;
    Options one = options_;
    one.peer = name;
    auto met = MeetPeer(one, home_, {.shows = false, .takes = true}, console_);
    if (!met.ok()) return std::move(met).error();
    if (const auto* signal = std::get_if<ExitCode>(&*met)) return *signal;
  }
  if (Status opened = OpenReception(); !opened.ok()) {
    return std::move(opened).error();
  }
  const std::size_t room = options_.listen ? options_.max_transfers : 1;

  Result<std::unique_ptr<Crew>> crew = Crew::Open(
      options_, &console_, &events_,
      "waiting for " +
          (options_.peers.front() == kAny
               ? std::string("anybody in the contact book")
               : fmt::format("{}", fmt::join(options_.peers, ", "))),
      {[this] { reception_->HandleSubscribed(crew_->Now(), udp::WallTime()); },
       [this](std::string_view topic, ByteSpan payload) {
         // One transfer is all that is wanted.
         if (!options_.listen && !codes_.empty()) return;
         reception_->HandleMessage(crew_->Now(), udp::WallTime(), topic,
                                   payload);
       },
       [this](const std::string& peer, ExitCode code) {
         idle_since_ = crew_->Now();
         // Who went away before there was a path to it did not come.
         if (code != ExitCode::kPeerNeverAppeared) {
           std::erase(codes_, code);
           codes_.push_back(code);
         }
         if (const auto key = inside_.find(peer); key != inside_.end()) {
           reception_->Leave(crew_->Now(), udp::WallTime(), key->second);
           inside_.erase(key);
         }
       }});
  if (!crew.ok()) return std::move(crew).error();
  crew_ = *std::move(crew);
  idle_since_ = book_at_ = crew_->Now();
  if (Status read = ReadBook(); !read.ok()) return std::move(read).error();
  if (peers_.empty()) {
    return Error{ErrorCode::kUsage,
                 "the contact book is empty: there is nobody to listen for; "
                 "get to know somebody first:\n  p2pcp pair NAME"};
  }
  std::vector<std::string> names;
  for (const crypto::Contact& peer : peers_) names.push_back(peer.name);
  console_.Line(options_.listen
                    ? fmt::format("listening for {}; {} at a time; Ctrl-C ends",
                                  fmt::join(names, ", "), room)
                    : fmt::format("waiting for {}{} ...",
                                  names.size() == 1 ? "" : "one of ",
                                  fmt::join(names, ", ")));
  events_.Listening(names, room);

  while (true) {
    Flush();
    TimePoint now = crew_->Now();
    if (const auto code = Over(now)) {
      if (*code == ExitCode::kPeerNeverAppeared && !crew_->brokers().was_up()) {
        return crew_->brokers().Unreachable();
      }
      if (*code != ExitCode::kPeerNeverAppeared) return *code;
      return Error{ErrorCode::kPeerNeverAppeared,
                   "nobody came in the time that was given"};
    }
    if (now >= book_at_ + kBookInterval) {
      book_at_ = now;
      if (const Status read = ReadBook(); !read.ok()) {
        console_.Error(read.error().message);
      }
    }
    TimePoint until = now + kBookInterval;
    const auto due = reception_->PollTimeout();
    if (due) until = std::min(until, *due);
    if (options_.timeout && crew_->running() == 0) {
      until = std::min(until, idle_since_ + *options_.timeout);
    }
    crew_->Turn(until);
    now = crew_->Now();
    if (reception_->PollTimeout().value_or(TimePoint::max()) <= now) {
      reception_->HandleTimeout(now, udp::WallTime());
    }
  }
}

}  // namespace

Result<ExitCode> RunListen(const Options& options, const Home& home,
                           Console& console, Events& events) {
  return Listener(options, home, console, events).Run();
}

}  // namespace p2pcp::cmd
