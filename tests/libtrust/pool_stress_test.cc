// Many threads on one store and one pool while generations change: for the thread sanitizer, and
// for what must hold whatever the order: nobody talks to a peer that is distrusted for more than a
// second, and nothing is lost of what is said.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include "libtrust/error.h"
#include "libtrust/pool.h"
#include "tests/libtrust/live_store.h"
#include "tests/libtrust/peer.h"

namespace trust {
namespace {

using namespace std::chrono_literals;
using testing::bytes;
using testing::LiveStore;
using testing::mint;
using testing::Minted;
using testing::Server;
using testing::tls_echo;
using Steady = std::chrono::steady_clock;

Minted loopback(const std::string& name) {
  return mint({.common_name = name, .sans = {"IP:127.0.0.1"}, .ca = false});
}

TEST(PoolStress, SixteenThreadsWhileGenerationsChange) {
  const Minted steady = loopback("steady"), doubted = loopback("doubted");
  LiveStore live;
  live.add(steady, Trust::leaf).add(doubted, Trust::leaf).publish();
  const auto store = live.open();
  const Server good(tls_echo(steady), "127.0.0.1", true);
  const Server other(tls_echo(doubted), "127.0.0.1", true);
  Pool pool(store, {});
  std::atomic<bool> done = false;
  std::atomic<std::int64_t> distrusted_at{0}; // steady clock's count; 0: it is trusted
  std::atomic<int> exchanges = 0, refusals = 0;

  const auto talk = [&](const Endpoint& endpoint, bool may_be_refused, int round) {
    try {
      const std::int64_t before = distrusted_at;
      const auto asked = Steady::now();
      auto connection = pool.get(endpoint);
      if (may_be_refused && before != 0) {
        EXPECT_LT(asked - Steady::time_point(Steady::duration(before)), 1100ms)
            << "handed out though distrusted for longer";
      }
      const std::string said(1 + static_cast<std::size_t>(round) * 37 % 30'000, 'x');
      EXPECT_EQ(connection->write(bytes(said)).count, said.size());
      std::size_t heard = 0;
      std::array<std::uint8_t, 8192> buffer{};
      while (heard < said.size()) {
        const Moved moved = connection->read(buffer);
        ASSERT_NE(moved.progress, Progress::end);
        heard += moved.count;
      }
      pool.put(std::move(connection), round % 5 != 0);
      ++exchanges;
    } catch (const Refused& refused) {
      EXPECT_TRUE(may_be_refused) << refused.message();
      ++refusals;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      for (int round = i; !done; ++round) {
        const bool second = round % 3 == 0;
        talk(second ? other.endpoint() : good.endpoint(), second, round);
      }
    });
  }
  const auto end = Steady::now() + 4s;
  const auto goes_on = [&] { // longer where it is slow
    return Steady::now() < end || (refusals == 0 && Steady::now() < end + 60s);
  };
  for (int i = 0; goes_on(); ++i) {
    live.add(loopback("h" + std::to_string(i)), Trust::leaf).publish();
    if (i == 5) {
      live.distrust(doubted).publish();
      distrusted_at = Steady::now().time_since_epoch().count();
    }
    for (const int before = exchanges; exchanges < before + 10 && goes_on();)
      std::this_thread::yield();
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(exchanges, 50);
  EXPECT_GT(refusals, 0);
  EXPECT_GT(pool.reused(), 0U);
  EXPECT_GT(pool.resumed(), 0U);
}

TEST(PoolStress, OneReadsWhileAnotherWritesUntilAThirdCancels) {
  const Minted leaf = loopback("steady");
  LiveStore live;
  live.add(leaf, Trust::leaf).publish();
  const Connector connector(live.open());
  const Server server(tls_echo(leaf), "127.0.0.1", true);
  for (int round = 0; round < 5; ++round) {
    const auto connection = connector.connect(server.endpoint(), {});
    std::string sent(100'000, '\0');
    std::iota(sent.begin(), sent.end(), '\0');
    std::atomic<std::size_t> heard = 0;
    std::thread writer([&] {
      try {
        for (;;) connection->write(bytes(sent));
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::cancelled) << error.message();
      }
    });
    std::thread reader([&] {
      try {
        std::array<std::uint8_t, 7000> buffer{};
        for (;;) {
          const Moved moved = connection->read(buffer);
          for (std::size_t i = 0; i < moved.count; ++i) {
            ASSERT_EQ(buffer[i], static_cast<std::uint8_t>(sent[(heard + i) % sent.size()]));
          }
          heard += moved.count;
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::cancelled) << error.message();
      }
    });
    while (heard < 1'000'000) std::this_thread::yield();
    connection->cancel();
    writer.join();
    reader.join();
  }
}

} // namespace
} // namespace trust
