#include "cmd/pair_up.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cmd/brokers/broker_report.h"
#include "cmd/code_input.h"
#include "cmd/link.h"
#include "cmd/servers.h"
#include "cmd/signals.h"
#include "cmd/text.h"
#include "cmd/trust/verify.h"
#include "net/base/random.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/pairing_code.h"
#include "net/crypto/public_key.h"
#include "net/signaling/mqtt_client.h"
#include "net/signaling/pairing.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {
namespace {

// No broker in this time: it is our network, or the brokers.
constexpr Duration kBrokerTimeout = 15s;
// Who has been asked for a code, and has typed nothing for so long, may see
// none.
constexpr Duration kHintAfter = 10s;
// So often signals of time are looked at.
constexpr Duration kTick = 250ms;

void WipeText(std::string& text) {
  crypto::Wipe(std::as_writable_bytes(std::span(text)));
  text.clear();
}

Error Usage(std::string message) {
  return Error{ErrorCode::kUsage, std::move(message)};
}

// The driver of one pairing, from its start to its end.
class Encounter {
 public:
  Encounter(const Options& options, const Home& home, const std::string& name,
            const CodeSides& sides, Console* console)
      : options_(options),
        home_(home),
        name_(name),
        sides_(sides),
        console_(console) {}
  ~Encounter() {
    if (wrote_code_file_) unlink(options_.code_file.c_str());
  }

  Result<std::optional<ExitCode>> Run() {
    if (Status started = Start(); !started.ok()) {
      return std::move(started).error();
    }
    while (!signal_ && !error_ && !pairing_->over()) {
      const TimePoint now = loop_->Now();
      if (!brokers_.was_up() && now >= started_ + kBrokerTimeout) {
        return brokers_.Unreachable();
      }
      if (options_.timeout && !paired_ && now >= started_ + *options_.timeout) {
        if (!brokers_.was_up()) return brokers_.Unreachable();
        return Error{ErrorCode::kPeerNeverAppeared,
                     fmt::format("nobody came to pair as {} within {}", name_,
                                 FormatDuration(*options_.timeout))};
      }
      if (!hinted_ && now >= started_ + kHintAfter) Hint();
      Turn(now);
    }
    // What is left to say goes out while the broker's child ends.
    Publish();
    if (signal_ && !paired_) return signal_;
    if (failure_) return *failure_;
    if (error_) return *error_;
    return signal_;
  }

 private:
  Status Start();
  Status Show();
  Status Take();
  void Hint();
  void TellState();
  void Turn(TimePoint now);
  void Publish();
  void HandleMqtt();
  void HandleEvents();
  void HandleCode(std::string_view line);
  void HandlePaired(const signaling::Paired& paired);
  // The code was no good; the user may type another, a file has no other.
  void AskAgain(const std::string& why, ErrorCode code);

  const Options& options_;
  const Home& home_;
  const std::string name_;
  const CodeSides sides_;
  Console* const console_;

  SystemRandom random_;
  Signals signals_;
  std::optional<crypto::Identity> self_;
  std::optional<crypto::PairingCode> shown_;
  bool wrote_code_file_ = false;
  std::unique_ptr<udp::EventLoop> loop_;
  BrokerReport brokers_;
  std::unique_ptr<signaling::MqttClient> mqtt_;
  std::unique_ptr<signaling::Pairing> pairing_;
  std::unique_ptr<CodeInput> input_;
  TimePoint started_;
  bool paired_ = false;
  bool hinted_ = false;
  // Ends it at once; ends it when the other side has been told.
  std::optional<Error> error_;
  std::optional<Error> failure_;
  std::optional<ExitCode> signal_;
};

Status Encounter::Start() {
  Result<crypto::Identity> self =
      crypto::Identity::LoadOrGenerate(home_.identity, random_);
  if (!self.ok()) return std::move(self).error();
  self_ = *std::move(self);
  Result<Servers> servers = ChooseServers(options_);
  if (!servers.ok()) return std::move(servers).error();
  brokers_ = BrokerReport(servers->brokers);
  for (const std::string& warning : servers->warnings) {
    console_->Line(warning);
  }
  Result<std::unique_ptr<udp::EventLoop>> loop = udp::EventLoop::Create();
  if (!loop.ok()) return std::move(loop).error();
  loop_ = *std::move(loop);
  started_ = loop_->Now();
  loop_->Watch(signals_.fd(), EPOLLIN, [this](std::uint32_t) {
    if (const auto code = signals_.Take()) signal_ = code;
    if (signals_.StateWanted()) TellState();
  });
  Result<std::unique_ptr<signaling::MqttClient>> mqtt =
      signaling::MqttClient::Start(started_,
                                   {"/proc/self/exe", {kMqttChildVerb}},
                                   std::move(servers->brokers));
  if (!mqtt.ok()) return std::move(mqtt).error();
  mqtt_ = *std::move(mqtt);
  loop_->Watch(mqtt_->fd(), EPOLLIN, [this](std::uint32_t) {
    mqtt_->HandleReadable(loop_->Now());
    HandleMqtt();
  });

  if (sides_.shows) shown_ = crypto::PairingCode::Generate(random_);
  pairing_ = std::make_unique<signaling::Pairing>(started_, udp::WallTime(),
                                                  &*self_, shown_, random_);
  mqtt_->SetTopics(pairing_->Topics());
  if (sides_.shows) {
    if (Status shown = Show(); !shown.ok()) return shown;
  }
  return sides_.takes ? Take() : Status();
}

Status Encounter::Show() {
  std::string code = shown_->ToString();
  Status written;
  if (!options_.code_file.empty()) {
    written = WriteCodeFile(options_.code_file, code);
    wrote_code_file_ = written.ok() && options_.code_file != "-";
    if (written.ok()) {
      console_->Line(fmt::format("waiting for {} with the code ...", name_));
    }
  } else {
    std::string text = fmt::format(
        "To pair with {}, let this be typed there:\n\n    {}\n\n"
        "It is good for 10 minutes, once.",
        name_, code);
    // With -q too: without it nothing can happen.
    console_->Error(text);
    WipeText(text);
  }
  WipeText(code);
  return written;
}

Status Encounter::Take() {
  CodeInput::Handler handler{
      [this](std::string_view line) { HandleCode(line); },
      [this] {
        // Ctrl-D, or an empty pipe. A code that is shown may still be typed.
        if (!sides_.shows) error_ = Usage("no code was given");
      },
      [this](Error error) { error_ = std::move(error); }};
  if (!sides_.shows && !options_.code_file.empty()) {
    input_ = CodeInput::OpenFile(loop_.get(), options_.code_file,
                                 std::move(handler));
    console_->Line(fmt::format("pairing with {} ...", name_));
    return {};
  }
  input_ = CodeInput::OpenTerminal(loop_.get(), std::move(handler));
  if (!input_ && !sides_.shows) {
    return Usage(
        "there is no terminal to type the code on; give it as --code-file "
        "FILE (- for stdin)");
  }
  if (input_) {
    console_->Error(sides_.shows
                        ? "Or type the code that is shown there:"
                        : fmt::format("{} is new here. Type the code that is "
                                      "shown there:",
                                      name_));
  }
  return {};
}

void Encounter::TellState() {
  std::string wanted = "what was agreed on to be confirmed there";
  if (!brokers_.was_up()) {
    wanted = "a broker";
  } else if (!paired_) {
    wanted = sides_.shows && sides_.takes
                 ? "the code to be typed on either side"
             : sides_.shows ? "the code to be typed there"
                            : "the code to be typed here";
  }
  console_->Error(fmt::format("pairing with {} for {}; waiting for {}", name_,
                              FormatDuration(loop_->Now() - started_), wanted));
}

// Who is asked for a code and sees none has been forgotten here, not there.
void Encounter::Hint() {
  hinted_ = true;
  if (sides_.shows || paired_ || !input_ || !input_->is_terminal()) return;
  console_->Error(
      fmt::format("(Is none shown there? Then {0} knows this device from "
                  "before, and waits. "
                  "Stop both, and run 'p2pcp pair' on both sides.)",
                  name_));
}

void Encounter::HandleCode(std::string_view line) {
  hinted_ = true;
  if (line.find_first_not_of(" \t\r") == line.npos && input_->is_terminal()) {
    return;
  }
  const Result<crypto::PairingCode> code = crypto::PairingCode::Parse(line);
  if (!code.ok()) return AskAgain(code.error().message, ErrorCode::kUsage);
  if (shown_ && *code == *shown_) {
    return AskAgain("that is the code that is shown here", ErrorCode::kUsage);
  }
  pairing_->Enter(loop_->Now(), udp::WallTime(), *code);
}

void Encounter::AskAgain(const std::string& why, ErrorCode code) {
  if (input_ && input_->is_terminal()) {
    console_->Error(why + "; type it again:");
  } else {
    error_ = Error{code, why};
  }
}

void Encounter::HandleMqtt() {
  const TimePoint now = loop_->Now();
  while (auto event = mqtt_->PollEvent()) {
    if (std::holds_alternative<signaling::MqttClient::BrokerUp>(*event)) {
      brokers_.HandleUp();
      pairing_->HandleSubscribed(now);
    } else if (auto* down =
                   std::get_if<signaling::MqttClient::BrokerDown>(&*event)) {
      console_->Step(fmt::format("broker {}", Escape(down->error.message)));
      brokers_.HandleDown(down->broker, std::move(down->error));
      if (const auto warning = brokers_.TakeWarning()) console_->Line(*warning);
    } else if (const auto* message =
                   std::get_if<signaling::MqttClient::Message>(&*event)) {
      pairing_->HandleMessage(now, message->topic, message->payload);
    }
  }
}

void Encounter::HandlePaired(const signaling::Paired& paired) {
  const TimePoint now = loop_->Now();
  // Kept here before the other side is told, so that neither believes in a
  // pairing that the other has lost.
  const Status kept =
      crypto::ContactBook::Update(home_.peers, [&](crypto::ContactBook& book) {
        return book.Add(name_, paired.peer, paired.psk, udp::WallTime());
      });
  input_.reset();
  if (!kept.ok()) {
    pairing_->Refuse(now);
    failure_ = kept.error();
    if (failure_->code == ErrorCode::kAuthenticationFailed) {
      failure_->message += fmt::format(
          "\nEither {0} has a new device or a new key, or this is not {0}: "
          "ask. "
          "If it is right:\n  p2pcp peers remove {0}\nthen pair again.",
          name_);
    }
    return;
  }
  paired_ = true;
  pairing_->Confirm(now);
  console_->Line(fmt::format("paired with {} ({})", name_,
                             crypto::Fingerprint(paired.peer)));
}

void Encounter::HandleEvents() {
  while (const auto event = pairing_->PollEvent()) {
    if (const auto* paired = std::get_if<signaling::Paired>(&*event)) {
      HandlePaired(*paired);
    } else if (const auto* guess =
                   std::get_if<signaling::WrongGuess>(&*event)) {
      console_->Error(fmt::format(
          "a wrong code was typed there, or guessed; {} more, and this one "
          "is void",
          guess->left));
    } else if (const auto* wrong = std::get_if<signaling::WrongCode>(&*event)) {
      AskAgain(
          fmt::format(
              "that is not the code that is shown there; at most {} {} left",
              wrong->left, wrong->left == 1 ? "try" : "tries"),
          ErrorCode::kAuthenticationFailed);
    } else if (std::holds_alternative<signaling::NobodyThere>(*event)) {
      console_->Error(
          "nobody shows a code with these digits yet. Are they right? Does "
          "p2pcp run there, with a broker in common? Still waiting ...");
    } else if (const auto* failed =
                   std::get_if<signaling::PairingFailed>(&*event)) {
      if (!failure_) failure_ = failed->error;
      if (paired_) {
        failure_->message += fmt::format(
            "\n{0} is in the contact book here; to forget it:\n"
            "  p2pcp peers remove {0}",
            name_);
      }
    }
  }
}

void Encounter::Publish() {
  while (const auto publish = pairing_->PollPublish()) {
    mqtt_->Publish(publish->topic, publish->payload);
  }
}

void Encounter::Turn(TimePoint now) {
  TimePoint deadline = now + kTick;
  for (const auto& time : {mqtt_->PollTimeout(), pairing_->PollTimeout()}) {
    if (time) deadline = std::min(deadline, *time);
  }
  loop_->RunOnce(deadline);
  now = loop_->Now();
  if (mqtt_->PollTimeout().value_or(TimePoint::max()) <= now) {
    mqtt_->HandleTimeout(now);
    HandleMqtt();
  }
  if (pairing_->PollTimeout().value_or(TimePoint::max()) <= now) {
    pairing_->HandleTimeout(now, udp::WallTime());
  }
  HandleEvents();
  // Before other topics are subscribed to: until a broker has acknowledged them
  // nothing goes out, and this may be the last word of all.
  Publish();
  mqtt_->SetTopics(pairing_->Topics());
}

bool HasTerminal() {
  return udp::FileDescriptor(open("/dev/tty", O_RDWR | O_CLOEXEC)).valid();
}

}  // namespace

Result<std::optional<ExitCode>> PairUp(const Options& options, const Home& home,
                                       const std::string& name,
                                       const CodeSides& sides,
                                       Console& console) {
  if (!crypto::ContactBook::IsValidName(name)) {
    return Usage(fmt::format(
        "'{}' can't be a peer's name: 1 to 64 letters, digits and . _ -",
        Escape(name)));
  }
  // A book that can't be read is told before anybody types anything.
  if (const auto book = crypto::ContactBook::Load(home.peers); !book.ok()) {
    return book.error();
  }
  return Encounter(options, home, name, sides, &console).Run();
}

Result<std::variant<SelfAndPeer, ExitCode>> MeetPeer(const Options& options,
                                                     const Home& home,
                                                     const CodeSides& sides,
                                                     Console& console) {
  const auto book = crypto::ContactBook::Load(home.peers);
  if (!book.ok()) return book.error();
  if (book->Find(options.peer) == nullptr &&
      crypto::ContactBook::IsValidName(options.peer)) {
    std::vector<std::string> names;
    for (const auto& known : book->contacts()) names.push_back(known.name);
    // A name with a typo in it is not a new peer, unless a code says so.
    const bool wanted = !options.code_file.empty() ||
                        (HasTerminal() && !Nearest(options.peer, names));
    if (wanted) {
      Result<std::optional<ExitCode>> paired =
          PairUp(options, home, options.peer, sides, console);
      if (!paired.ok()) return std::move(paired).error();
      if (*paired) return std::variant<SelfAndPeer, ExitCode>(**paired);
    }
  }
  Result<SelfAndPeer> who = LoadSelfAndPeer(home, options.peer);
  if (!who.ok()) return std::move(who).error();
  if (options.verify) {
    const Result<std::optional<ExitCode>> verified =
        VerifyPeer(who->self.public_key(), who->peer, console);
    if (!verified.ok()) return verified.error();
    if (*verified) return std::variant<SelfAndPeer, ExitCode>(**verified);
  }
  return std::variant<SelfAndPeer, ExitCode>(*std::move(who));
}

}  // namespace p2pcp::cmd
