#include "cmd/options/options.h"

#include <fstream>
#include <map>
#include <sstream>

#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

class OptionsTest : public testing::Test {
 protected:
  Result<Options> Parse(const std::vector<std::string>& args) {
    return ParseOptions(
        args,
        [this](const std::string& name) -> std::optional<std::string> {
          const auto it = environment_.find(name);
          if (it == environment_.end()) return std::nullopt;
          return it->second;
        },
        config_);
  }
  void WriteConfig(const std::string& text) {
    config_ = testing::TempDir() + "/options_test_config";
    std::ofstream(config_) << text;
  }
  std::string ErrorOf(const std::vector<std::string>& args) {
    const Result<Options> result = Parse(args);
    if (result.ok()) return "";
    EXPECT_EQ(result.error().code, ErrorCode::kUsage);
    return result.error().message;
  }

  std::map<std::string, std::string> environment_;
  std::filesystem::path config_ = "/nonexistent";
};

TEST_F(OptionsTest, SendTakesPathsAndAPeer) {
  const auto options =
      Parse({"send", "a", "b", "--to", "bob", "--broker", "mqtt://x",
             "--broker", "mqtt://y", "-4", "--timeout", "2.5"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->verb, Verb::kSend);
  EXPECT_EQ(options->paths, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options->peer, "bob");
  EXPECT_EQ(options->brokers.size(), 2u);
  EXPECT_TRUE(options->ipv4_only);
  EXPECT_EQ(options->timeout, Duration(2500ms));
  EXPECT_EQ(options->congestion, CongestionOption::kBbr);
}

TEST_F(OptionsTest, SendTakesItsCongestionControl) {
  EXPECT_EQ(Parse({"send", "a", "--to", "b", "--cc", "bbr"})->congestion,
            CongestionOption::kBbr);
  WriteConfig("cc = cubic\n");
  EXPECT_EQ(Parse({"send", "a", "--to", "b"})->congestion,
            CongestionOption::kCubic);
  EXPECT_EQ(Parse({"send", "a", "--to", "b", "--cc", "bbr"})->congestion,
            CongestionOption::kBbr);
  EXPECT_TRUE(Parse({"recv", "--from", "a"}).ok());
}

TEST_F(OptionsTest, SeveralPeersMayBeNamed) {
  const auto send = Parse({"send", "a", "--to", "bob", "--to", "carol"});
  ASSERT_TRUE(send.ok());
  EXPECT_EQ(send->peers, (std::vector<std::string>{"bob", "carol"}));
  EXPECT_EQ(send->words.size(), 6u);
  EXPECT_NE(ErrorOf({"send", "a", "--to", "bob", "--to", "bob"}).find("twice"),
            std::string::npos);
  environment_["P2PCP_FROM"] = "alice dave";
  const auto recv = Parse({"recv", "--listen", "--max-transfers", "64"});
  ASSERT_TRUE(recv.ok());
  EXPECT_EQ(recv->peers, (std::vector<std::string>{"alice", "dave"}));
  EXPECT_TRUE(recv->listen);
  EXPECT_EQ(recv->max_transfers, 64u);
  EXPECT_EQ(Parse({"recv", "--from", "any"})->peers,
            std::vector<std::string>{"any"});
}

TEST_F(OptionsTest, WhatGoesWithOneTransferOnlyIsRefusedForSeveral) {
  for (const char* option : {"--ask", "--trace=x"}) {
    EXPECT_TRUE(Parse({"recv", "--from", "a", option}).ok());
    EXPECT_NE(ErrorOf({"recv", "--from", "a", "--listen", option}), "");
    EXPECT_NE(ErrorOf({"recv", "--from", "any", option}), "");
    EXPECT_NE(ErrorOf({"recv", "--from", "a", "--from", "b", option}), "");
  }
  EXPECT_NE(ErrorOf({"send", "f", "--to", "a", "--to", "b", "--trace=x"}), "");
  EXPECT_NE(ErrorOf({"recv", "--from", "any", "--from", "b"}), "");
  for (const char* number : {"0", "65", "-1", "x"}) {
    EXPECT_NE(
        ErrorOf({"recv", "--from", "a", "--listen", "--max-transfers", number}),
        "");
  }
}

TEST_F(OptionsTest, AWorkerHasOnePeerAndAPortOfItsOwn) {
  auto options = Parse({"recv", "--from", "any", "--listen", "--port", "4000"});
  ASSERT_TRUE(options.ok());
  BecomeWorker({"alice", 3, {}}, &*options);
  EXPECT_EQ(options->peer, "alice");
  EXPECT_EQ(options->peers, std::vector<std::string>{"alice"});
  EXPECT_FALSE(options->listen);
  EXPECT_EQ(options->port, 4003);
  EXPECT_TRUE(options->timeout);
}

TEST_F(OptionsTest, StdoutIsForEventsOrForACode) {
  EXPECT_FALSE(Parse({"send", "a", "--to", "b"})->json);
  EXPECT_TRUE(Parse({"send", "a", "--to", "b", "--json"})->json);
  EXPECT_TRUE(Parse({"recv", "--from", "a", "--json"})->json);
  EXPECT_NE(ErrorOf({"send", "a", "--to", "b", "--json", "--code-file", "-"})
                .find("stdout"),
            std::string::npos);
  // There it is stdin.
  EXPECT_TRUE(
      Parse({"recv", "--from", "a", "--json", "--code-file", "-"}).ok());
  EXPECT_NE(ErrorOf({"pair", "b", "--json"}), "");
}

TEST_F(OptionsTest, BackgroundIsACongestionControlOfItsOwn) {
  EXPECT_EQ(Parse({"send", "a", "--to", "b", "--background"})->congestion,
            CongestionOption::kScavenger);
  environment_["P2PCP_BACKGROUND"] = "1";
  EXPECT_EQ(Parse({"send", "a", "--to", "b"})->congestion,
            CongestionOption::kScavenger);
  for (const char* cc : {"cubic", "bbr"}) {
    const std::string error = ErrorOf({"send", "a", "--to", "b", "--cc", cc});
    EXPECT_NE(error.find("--background"), std::string::npos) << error;
    EXPECT_NE(error.find("--cc"), std::string::npos) << error;
  }
  EXPECT_NE(ErrorOf({"recv", "--from", "a", "--background"}), "");
}

TEST_F(OptionsTest, BwlimitIsBytesASecond) {
  EXPECT_EQ(Parse({"send", "a", "--to", "b"})->bwlimit, 0u);
  EXPECT_EQ(Parse({"send", "a", "--to", "b", "--bwlimit", "1.5M"})->bwlimit,
            1'572'864u);
  WriteConfig("bwlimit = 10k\n");
  EXPECT_EQ(Parse({"send", "a", "--to", "b"})->bwlimit, 10'240u);
  EXPECT_EQ(Parse({"send", "a", "--to", "b", "--bwlimit", "0"})->bwlimit, 0u);
  EXPECT_EQ(Parse({"send", "a", "--to", "b", "--bwlimit", "1500"})->bwlimit,
            1'500u);
  for (const char* rate : {"1499", "1k", "fast", "-1M", "10T", ""}) {
    EXPECT_NE(ErrorOf({"send", "a", "--to", "b", "--bwlimit", rate}), "")
        << rate;
  }
}

TEST_F(OptionsTest, RecvHasItsDefaults) {
  const auto options = Parse({"receive", "--from", "alice"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->verb, Verb::kRecv);
  EXPECT_EQ(options->out, ".");
  EXPECT_EQ(options->conflict, ConflictOption::kRename);
  EXPECT_FALSE(options->timeout);
}

TEST_F(OptionsTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  WriteConfig("port = 1\nconflict = skip\nbind = ::1\n");
  EXPECT_EQ(Parse({"recv", "--from", "a"})->port, 1);
  EXPECT_EQ(Parse({"recv", "--from", "a"})->conflict, ConflictOption::kSkip);
  environment_["P2PCP_PORT"] = "2";
  EXPECT_EQ(Parse({"recv", "--from", "a"})->port, 2);
  EXPECT_EQ(Parse({"recv", "--from", "a", "--port", "3"})->port, 3);
}

TEST_F(OptionsTest, TheFileItselfHasATwinToo) {
  WriteConfig("port = 7\n");
  environment_["P2PCP_CONFIG"] = config_.string();
  config_ = "/nonexistent";
  EXPECT_EQ(Parse({"recv", "--from", "a"})->port, 7);
}

TEST_F(OptionsTest, ListsInTheEnvironmentAreSeparatedBySpaces) {
  environment_["P2PCP_STUN"] = "one two:3479";
  environment_["P2PCP_HOME"] = "/somewhere";
  EXPECT_EQ(Parse({"send", "a", "--to", "b"})->stun_servers,
            (std::vector<std::string>{"one", "two:3479"}));
}

TEST_F(OptionsTest, SaysWhatWasProbablyMeant) {
  EXPECT_NE(ErrorOf({"send", "a", "--brokr", "x"}).find("--broker"),
            std::string::npos);
  EXPECT_NE(ErrorOf({"sned"}).find("'send'"), std::string::npos);
  EXPECT_NE(ErrorOf({"recv", "--from", "a", "--to", "b"}).find("'--to'"),
            std::string::npos)
      << "an option of another command";
}

TEST_F(OptionsTest, RefusesNonsense) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"send", "--to", "bob"},
        {"send", "a"},
        {"recv"},
        {"recv", "--from", "a", "extra"},
        {"recv", "--from", "a", "--port", "65536"},
        {"recv", "--from", "a", "--port", "x"},
        {"recv", "--from", "a", "-4", "-6"},
        {"recv", "--from", "a", "--timeout", "-1"},
        {"recv", "--from", "a", "--conflict", "merge"},
        {"recv", "--from", "a", "--cc", "bbr"},
        {"send", "a", "--to", "b", "--cc", "reno"},
        {"recv", "--from", "a", "--progress", "maybe"},
        {"recv", "--from"},
        {"recv", "--from", "a", "--config", "/nonexistent"},
        {"id", "extra"}}) {
    EXPECT_NE(ErrorOf(args), "") << args.back();
  }
}

TEST_F(OptionsTest, AWordThatIsNoneIsToldWithTheNearest) {
  EXPECT_EQ(ErrorOf({"recv", "--from", "a", "--conflict", "overwrit"}),
            "--conflict: rename, skip or overwrite, not 'overwrit'; did you "
            "mean 'overwrite'?");
  EXPECT_EQ(ErrorOf({"send", "x", "--to", "a", "--cc", "reno"}),
            "--cc: bbr or cubic, not 'reno'");
  environment_["P2PCP_PROGRESS"] = "allways";
  EXPECT_NE(ErrorOf({"id"}).find("did you mean 'always'?"), std::string::npos);
}

TEST_F(OptionsTest, OtherSpellingsOfCommandsAreKnown) {
  for (const char* word : {"receive", "rx", "get"}) {
    EXPECT_EQ(Parse({word, "--from", "a"})->verb, Verb::kRecv);
  }
  EXPECT_EQ(Parse({"tx", "x", "--to", "a"})->verb, Verb::kSend);
  EXPECT_NE(ErrorOf({"recieve", "--from", "a"}).find("'receive'"),
            std::string::npos);
  EXPECT_NE(HelpText(Verb::kRecv).find("recv may be spelt receive, rx, get"),
            std::string::npos);
}

TEST_F(OptionsTest, AMistakeInTheFileNamesTheFile) {
  WriteConfig("prot = 1\n");
  const std::string message = ErrorOf({"recv", "--from", "a"});
  EXPECT_NE(message.find("options_test_config"), std::string::npos) << message;

  WriteConfig("bwlimit 5\n");
  EXPECT_EQ(ErrorOf({"recv", "--from", "a"}),
            config_.string() + ": 'bwlimit 5' is not OPTION = VALUE");
  WriteConfig("progress = often\n");
  EXPECT_EQ(
      ErrorOf({"recv", "--from", "a"}),
      config_.string() + ": --progress: auto, always or never, not 'often'");
  EXPECT_TRUE(ErrorOf({"recv", "--from", "a", "--progress", "seldom"})
                  .starts_with("--progress"));
  environment_["P2PCP_PROGRESS"] = "hourly";
  EXPECT_TRUE(ErrorOf({"recv", "--from", "a"})
                  .starts_with("P2PCP_PROGRESS: --progress"));
}

TEST_F(OptionsTest, AValueIsCheckedWhateverElseIsSaid) {
  const auto said = [](const std::string& name, const std::string& value) {
    const Status checked = CheckValues({{"ipv4", "true", "f"},
                                        {"ipv6", "true", "f"},
                                        {"host", "", ""},
                                        {name, value, "f"}});
    return checked.ok() ? "" : checked.error().message;
  };
  EXPECT_EQ(said("tls-cert", "without its key"), "");
  EXPECT_EQ(said("port", "65535"), "");
  EXPECT_EQ(said("port", "65536"),
            "f: --port: a port is 0 to 65535, not 65536");
  EXPECT_TRUE(said("progress", "often").starts_with("f: --progress: auto"));
  EXPECT_TRUE(said("listen", "perhaps").starts_with("f: "));
}

TEST_F(OptionsTest, AFileThatCantBeReadIsToldWithTheReason) {
  const std::string folder = testing::TempDir();
  EXPECT_EQ(ErrorOf({"recv", "--from", "a", "--config", folder}),
            "cannot read " + folder + ": Is a directory");
  EXPECT_EQ(ErrorOf({"recv", "--from", "a", "--config", "/nonexistent"}),
            "cannot read /nonexistent: No such file or directory");
}

// A terminal of 80 columns breaks no line of it.
TEST_F(OptionsTest, TheFirstHelpFitsATerminal) {
  std::istringstream help(HelpText(Verb::kHelp));
  for (std::string line; std::getline(help, line);) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(OptionsTest, HelpOfEachCommandNamesItsOptions) {
  EXPECT_TRUE(Parse({"send", "--help"})->help);
  EXPECT_NE(HelpText(Verb::kSend).find("--to PEER"), std::string::npos);
  EXPECT_NE(HelpText(Verb::kRecv).find("--conflict HOW"), std::string::npos);
  EXPECT_NE(HelpText(Verb::kServe).find("--bind ADDRESS"), std::string::npos);
  EXPECT_NE(HelpText(Verb::kHelp).find("Exit codes"), std::string::npos);
}

TEST_F(OptionsTest, PairTakesOnePeer) {
  const auto options = Parse({"pair", "bob", "--show", "--code-file", "f"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->verb, Verb::kPair);
  EXPECT_EQ(options->peer, "bob");
  EXPECT_TRUE(options->show);
  EXPECT_EQ(options->code_file, "f");
  EXPECT_NE(ErrorOf({"pair"}), "");
  EXPECT_NE(ErrorOf({"pair", "bob", "carol"}), "");
}

TEST_F(OptionsTest, ACodeIsNoArgument) {
  // What stands in argv is seen by every user of the machine.
  EXPECT_NE(ErrorOf({"recv", "--from", "alice", "--code", "4821-acid-bagel"}),
            "");
  EXPECT_NE(ErrorOf({"pair", "alice", "4821-acid-bagel-crumb"}), "");
}

TEST_F(OptionsTest, ServeTakesTlsOnAPortOfItsOwn) {
  EXPECT_EQ(Parse({"serve"})->broker_port, 1883);
  const auto tls = Parse({"serve", "--tls-cert", "c", "--tls-key", "k"});
  ASSERT_TRUE(tls.ok());
  EXPECT_EQ(tls->broker_port, 8883);
  EXPECT_EQ(Parse({"serve", "--tls-cert", "c", "--tls-key", "k",
                   "--broker-port", "0"})
                ->broker_port,
            0);
  EXPECT_NE(ErrorOf({"serve", "--tls-cert", "c"}).find("--tls-key"),
            std::string::npos);
  EXPECT_NE(ErrorOf({"serve", "--broker-port", "70000"}).find("70000"),
            std::string::npos);
}

TEST_F(OptionsTest, FilesOfPasswordsAndAuthoritiesMayStandInTheConfiguration) {
  WriteConfig("broker-password-file = /p\nbroker-ca = /c\n");
  const auto options = Parse({"pair", "bob", "--verify"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->broker_password_file, "/p");
  EXPECT_EQ(options->broker_ca, "/c");
  EXPECT_TRUE(options->verify);
}

// The rules of a peer say more than the configuration does for everybody, and
// less than a flag.
TEST_F(OptionsTest, TellsAnOutputThatIsAskedForFromOneOfTheConfiguration) {
  WriteConfig("out = /elsewhere\n");
  EXPECT_FALSE(Parse({"recv", "--from", "a"})->out_is_asked_for);
  EXPECT_TRUE(Parse({"recv", "--from", "a", "-o", "x"})->out_is_asked_for);
  environment_["P2PCP_OUT"] = "/there";
  EXPECT_TRUE(Parse({"recv", "--from", "a"})->out_is_asked_for);
}

}  // namespace
}  // namespace p2pcp::cmd
