// Where options come from besides the command line: the environment, where each
// has a twin (P2PCP_TIMEOUT for --timeout), and the configuration file.

#ifndef P2PCP_CMD_OPTIONS_OPTION_SOURCES_H_
#define P2PCP_CMD_OPTIONS_OPTION_SOURCES_H_

#include <boost/program_options.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "cmd/home.h"
#include "cmd/options/option_in_force.h"
#include "cmd/options/option_tables.h"
#include "net/base/result.h"

namespace p2pcp::cmd {

// Every verb's options, so that one configuration file serves all. What is
// parsed goes to raw, which must outlive the result.
boost::program_options::options_description KnownOptions(RawOptions* raw);

// P2PCP_BROKER for "broker"; others of that prefix (P2PCP_HOME) are not ours.
std::string TwinOf(const std::string& long_name);

// Environment twins as the text of a configuration file, so that there is one
// reader for both; a list stands in one variable, separated by spaces.
std::string EnvironmentAsConfig(
    const boost::program_options::options_description& options,
    const Environment& environment);

// What holds where the command line says nothing, every option that may stand
// in a configuration file once (one that may be repeated, once a value), in the
// order of the tables. kUsage: something there can't be read.
Result<std::vector<OptionInForce>> OptionsInForce(
    const Environment& environment, const std::filesystem::path& config_file);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_OPTIONS_OPTION_SOURCES_H_
