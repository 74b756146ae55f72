// A running banger-agent for tests, and a folder that goes away.
#pragma once

#include "base/fd.hpp"
#include "base/process.hpp"

#include <string>

/// A folder below /tmp, removed with all that is in it.
class TemporaryFolder {
public:
    TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();
    std::string path(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

/// `banger-agent --listen`, one for all tests of the program; ended with it.
class AgentProcess {
public:
    static AgentProcess& instance();
    AgentProcess(const AgentProcess&) = delete;
    AgentProcess& operator=(const AgentProcess&) = delete;
    ~AgentProcess();
    /// A new session's stream.
    banger::OwnedFd connect() const;

private:
    AgentProcess();
    TemporaryFolder folder_;
    banger::Child child_;
};
