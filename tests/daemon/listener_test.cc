#include "daemon/listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "daemon/peer.h"
#include "libtrust/error.h"
#include "tests/daemon/serving.h"

namespace trust {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 ? status.st_mode : 0;
}

Code code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::internal;
}

TEST(Listener, MakesASocketOfThatModeWhateverTheUmask) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  for (const mode_t mask : {0000U, 0077U, 0777U}) {
    const mode_t before = umask(mask);
    const Listener listener = listen_unix(path, 0660);
    umask(before);
    EXPECT_EQ(mode_of(path), static_cast<mode_t>(S_IFSOCK | 0660));
    EXPECT_TRUE(listener.unix_socket());
    EXPECT_EQ(listener.name(), path);
    EXPECT_TRUE(Client(path).connected());
  }
}

TEST(Listener, GivesTheSocketToAGroup) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  const Listener listener = listen_unix(path, 0660, getgid());
  struct stat status {};
  ASSERT_EQ(lstat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_gid, getgid());
}

TEST(Listener, RemovesItsSocketAndOnlyItsOwn) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  { const Listener listener = listen_unix(path, 0600); }
  EXPECT_EQ(mode_of(path), 0u);
  {
    const Listener listener = listen_unix(path, 0600);
    unlink(path.c_str());
    std::ofstream(path) << "another's";
  }
  EXPECT_TRUE(S_ISREG(mode_of(path)));
}

TEST(Listener, MakesTheDirectoryThatIsMissing) {
  const TemporaryDirectory directory;
  const mode_t before = umask(0077);
  const Listener listener = listen_unix(directory.path() + "/run/s", 0666);
  umask(before);
  EXPECT_EQ(mode_of(directory.path() + "/run") & 0777, 0755u);
}

TEST(Listener, ReplacesASocketNobodyListensAt) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    const Fd dead(socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(S_ISSOCK(mode_of(path)));
  const Listener listener = listen_unix(path, 0600);
  EXPECT_TRUE(Client(path).connected());
}

TEST(Listener, LeavesASocketSomebodyListensAt) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  const Listener first = listen_unix(path, 0600);
  EXPECT_EQ(code_of([&] { listen_unix(path, 0600); }), Code::conflict);
  EXPECT_TRUE(Client(path).connected());
}

TEST(Listener, LeavesWhatIsNotASocket) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  std::ofstream(path) << "precious";
  EXPECT_EQ(code_of([&] { listen_unix(path, 0600); }), Code::conflict);
  EXPECT_TRUE(S_ISREG(mode_of(path)));
}

TEST(Listener, DoesNotFollowALinkAtItsPath) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  ASSERT_EQ(symlink("/etc/passwd", path.c_str()), 0);
  EXPECT_EQ(code_of([&] { listen_unix(path, 0600); }), Code::conflict);
}

TEST(Listener, WantsDirectoriesThatNobodyElseCanWriteTo) {
  const TemporaryDirectory directory;
  const std::string open = directory.path() + "/open";
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  ASSERT_EQ(mkdir((open + "/inner").c_str(), 0700), 0);
  ASSERT_EQ(chmod(open.c_str(), 0777), 0);
  EXPECT_EQ(code_of([&] { listen_unix(open + "/s", 0600); }), Code::store_access);
  EXPECT_EQ(code_of([&] { listen_unix(open + "/inner/s", 0600); }), Code::store_access);
  ASSERT_EQ(chmod(open.c_str(), 01777), 0);
  EXPECT_NO_THROW(listen_unix(open + "/inner/s", 0600));
}

TEST(Listener, WantsAPathThatClientsCanName) {
  EXPECT_EQ(code_of([] { listen_unix("relative", 0600); }), Code::invalid);
  EXPECT_EQ(code_of([] { listen_unix("", 0600); }), Code::invalid);
  EXPECT_EQ(code_of([] { listen_unix("/tmp/", 0600); }), Code::invalid);
  EXPECT_EQ(code_of([] { listen_unix("/tmp/" + std::string(120, 'a'), 0600); }), Code::invalid);
}

TEST(Listener, ListensAtTheLoopbackOnly) {
  const Listener listener = listen_tcp("127.0.0.1:0");
  EXPECT_NE(listener.port(), 0);
  EXPECT_EQ(listener.name(), "127.0.0.1:" + std::to_string(listener.port()));
  EXPECT_EQ(code_of([&] { listen_tcp(listener.name()); }), Code::conflict);
  for (const char* text : {"0.0.0.0:0", "localhost:0", ":0", "127.0.0.1", "127.0.0.1:", "[::]:0",
                           "127.0.0.1:65536", "127.0.0.1:a", "127.0.0.1:1 ", "::1:0"}) {
    EXPECT_EQ(code_of([&] { listen_tcp(text); }), Code::invalid) << text;
  }
}

TEST(Listener, TakesNothingWhenTheManagerPassedNothing) {
  unsetenv("LISTEN_FDS");
  EXPECT_TRUE(listeners_from_manager().empty());
}

TEST(Caller, IsWhoConnected) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  const Listener listener = listen_unix(path, 0600);
  const Client client(path);
  const Fd accepted(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  const Caller peer = peer_of(accepted.get());
  EXPECT_TRUE(peer.unix_socket);
  EXPECT_EQ(peer.uid, getuid());
  EXPECT_EQ(peer.pid, getpid());
  EXPECT_TRUE(peer.in_group(getgid()));
  EXPECT_FALSE(peer.in_group(12'345'678));
  std::vector<gid_t> groups(static_cast<std::size_t>(getgroups(0, nullptr)));
  getgroups(static_cast<int>(groups.size()), groups.data());
  EXPECT_EQ(peer.groups.size(), groups.size());
  EXPECT_EQ(peer.executable(), std::filesystem::read_symlink("/proc/self/exe").string());
}

TEST(Caller, OfTcpIsNobodyKnown) {
  const Listener listener = listen_tcp("127.0.0.1:0");
  const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  pollfd wait{listener.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, 10'000), 1);
  const Fd accepted(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  const Caller peer = peer_of(accepted.get());
  EXPECT_FALSE(peer.unix_socket);
  EXPECT_EQ(peer.uid, kNobodyKnown);
  EXPECT_EQ(peer.local_port, listener.port());
  EXPECT_TRUE(peer.address.starts_with("127.0.0.1:"));
  EXPECT_FALSE(peer.in_group(static_cast<gid_t>(-1)));
}

} // namespace
} // namespace trust
