// What a well-behaved client sees.
#include "daemon/front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/daemon/serving.h"

namespace trust {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(Front, AnswersARequest) {
  Serving serving;
  Client client = serving.connect();
  const Client::Answer answer = client.ask(get("/ping"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"pong\":true}");
  EXPECT_TRUE(answer.has("\r\nContent-Type: application/json\r\n"));
  EXPECT_TRUE(answer.has("\r\nContent-Length: 13\r\n"));
  EXPECT_TRUE(answer.has("\r\nDate: "));
  EXPECT_FALSE(answer.has("Keep-Alive"));
  EXPECT_FALSE(answer.has("Connection: close"));
}

TEST(Front, KeepsTheConnection) {
  Serving serving;
  Client client = serving.connect();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.ask(get("/ping")).status, 200);
}

TEST(Front, ClosesWhenAsked) {
  Serving serving;
  Client client = serving.connect();
  const Client::Answer answer = client.ask(get("/ping", "Connection: close\r\n"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.has("\r\nConnection: close\r\n"));
  EXPECT_TRUE(client.ends());
}

TEST(Front, SaysWhoThePeerIs) {
  Serving serving;
  EXPECT_EQ(serving.connect().ask(get("/who")).body, std::to_string(getuid()));
}

TEST(Front, TakesABodyByLength) {
  Serving serving;
  EXPECT_EQ(serving.connect().ask(post("/echo", "{\"a\":1}")).body, "{\"a\":1}");
}

TEST(Front, TakesABodyInChunks) {
  Serving serving;
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(serving.connect().ask(head + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").body, "abcde");
}

TEST(Front, TakesABodyOfAnyBytesAndOfEightMebibytes) {
  Serving serving;
  std::string body(std::size_t{8} << 20, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 3);
  Client client = serving.connect();
  std::thread sender([&] { client.send(post("/import", body)); });
  const Client::Answer answer = client.answer();
  sender.join();
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == body);
}

TEST(Front, AnswersHeadWithoutTheBody) {
  Serving serving;
  Client client = serving.connect();
  client.send("HEAD /ping HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Client::Answer answer = client.answer(true);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.has("\r\nContent-Length: 13\r\n"));
  EXPECT_EQ(client.ask(get("/ping")).body, "{\"pong\":true}");
}

TEST(Front, AnAnswerWithoutBodyHasNoLength) {
  Serving serving;
  Client client = serving.connect();
  for (const auto& [path, status] : {std::pair("/empty", 204), std::pair("/same", 304)}) {
    const Client::Answer answer = client.ask(get(path));
    EXPECT_EQ(answer.status, status);
    EXPECT_FALSE(answer.has("Content-Length"));
  }
  EXPECT_EQ(client.ask(get("/ping")).status, 200);
}

TEST(Front, WritesFieldsThatCanStandInAHead) {
  Serving serving;
  const Client::Answer answer = serving.connect().ask(get("/fields"));
  EXPECT_TRUE(answer.has("\r\nETag: \"g42\"\r\n"));
  EXPECT_TRUE(answer.has("\r\nRetry-After: 7\r\n"));
  EXPECT_FALSE(answer.has("Set-Cookie"));
  EXPECT_FALSE(answer.has("X Bad"));
}

TEST(Front, AnErrorBecomesAProblem) {
  Serving serving;
  const Client::Answer answer = serving.connect().ask(get("/wrong"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_TRUE(answer.has("\r\nContent-Type: application/problem+json\r\n"));
  const json problem = json::parse(answer.body);
  EXPECT_EQ(problem["status"], 404);
  EXPECT_EQ(problem["code"], "not_found");
  EXPECT_EQ(problem["detail"], "there is no such thing");
  EXPECT_EQ(problem["hint"], "trustctl list");
  EXPECT_TRUE(problem.contains("type"));
  EXPECT_TRUE(problem.contains("title"));
}

TEST(Front, AnExceptionsTextStaysInside) {
  Serving serving;
  Client client = serving.connect();
  const Client::Answer answer = client.ask(get("/throws"));
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ((answer.head + answer.body).find("secret"), std::string::npos);
  EXPECT_EQ(client.ask(get("/ping")).status, 200);
}

TEST(Front, AnswersPipelinedRequestsInOrder) {
  Serving serving;
  Client client = serving.connect();
  std::string all;
  for (int i = 0; i < 1000; ++i) all += post("/echo", std::to_string(i)) + get("/ping");
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(client.answer().body, std::to_string(i));
    ASSERT_EQ(client.answer().body, "{\"pong\":true}");
  }
  sender.join();
}

TEST(Front, AnswersInOrderAcrossWorkersAndLater) {
  Serving serving;
  Client client = serving.connect();
  client.send(get("/later") + post("/worker", "w") + get("/ping"));
  auto completions = serving.application.completions(1);
  ASSERT_EQ(completions.size(), 1u);
  Response response;
  response.body = "later";
  std::thread([&] { completions[0](response); }).join();
  EXPECT_EQ(client.answer().body, "later");
  EXPECT_EQ(client.answer().body, "w");
  EXPECT_EQ(client.answer().body, "{\"pong\":true}");
}

TEST(Front, AnswersAHalfClosedConnection) {
  Serving serving;
  Client client = serving.connect();
  client.send(get("/ping") + post("/echo", "x") + get("/later"));
  client.finish_sending();
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(client.answer().body, "x");
  auto completions = serving.application.completions(1);
  ASSERT_EQ(completions.size(), 1u);
  completions[0](Response());
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_TRUE(client.ends());
}

TEST(Front, SaysContinueWhenAsked) {
  Serving serving;
  Client client = serving.connect();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(client.receive_until("\r\n\r\n"));
  EXPECT_EQ(client.received(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.answer();
  EXPECT_EQ(client.ask("ok").body, "ok");
}

TEST(Front, RefusesInsteadOfSayingContinue) {
  Serving serving;
  const std::string head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n";
  const std::string json_type = "Content-Type: application/json\r\n";
  EXPECT_EQ(serving.connect().ask(head + json_type + "Content-Length: 9999999\r\n\r\n").status,
            413);
  EXPECT_EQ(serving.connect().ask(head + "Content-Length: 2\r\n\r\n").status, 415);
}

TEST(Front, RefusesBeforeTheBodyIsRead) {
  Serving serving;
  Client client = serving.connect();
  const Client::Answer answer = client.ask(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Origin: http://evil.example\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(answer.status, 403);
  EXPECT_TRUE(answer.has("Connection: close"));
  EXPECT_TRUE(client.ends());
}

TEST(Front, ARefusalWithoutABodyKeepsTheConnection) {
  Serving serving;
  Client client = serving.connect();
  EXPECT_EQ(client.ask(get("/ping", "Authorization: wrong\r\n")).status, 401);
  EXPECT_EQ(client.ask(get("/ping")).status, 200);
}

TEST(Front, ManyLatersNeedNoThreads) {
  FrontLimits limits;
  limits.workers = 1;
  Serving serving(limits);
  std::vector<Client> clients;
  for (int i = 0; i < 500; ++i) {
    clients.push_back(serving.connect());
    ASSERT_TRUE(clients.back().send(get("/later")));
  }
  std::vector<std::function<void(Response)>> all;
  while (all.size() < clients.size()) {
    auto some = serving.application.completions(1);
    ASSERT_FALSE(some.empty());
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  EXPECT_TRUE(serving.pings());
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().waiting == 500; }));
  for (const auto& complete : all) complete(Response());
  for (Client& client : clients) EXPECT_EQ(client.answer().status, 200);
}

TEST(Front, AForgottenLaterIsAnswered) {
  Serving serving;
  EXPECT_EQ(serving.connect().ask(get("/forgotten")).status, 500);
}

TEST(Front, ALaterCompletesOnce) {
  Serving serving;
  Client client = serving.connect();
  client.send(get("/later"));
  auto completions = serving.application.completions(1);
  ASSERT_EQ(completions.size(), 1u);
  Response first;
  first.body = "first";
  completions[0](first);
  completions[0](Response());
  EXPECT_EQ(client.answer().body, "first");
  EXPECT_EQ(client.ask(get("/ping")).body, "{\"pong\":true}");
}

TEST(Front, ALaterMayOutliveItsClientAndTheFront) {
  std::vector<std::function<void(Response)>> completions;
  {
    Serving serving;
    Client client = serving.connect();
    client.send(get("/later"));
    completions = serving.application.completions(1);
    ASSERT_EQ(completions.size(), 1u);
    // Gone altogether, which the front sees when it cannot answer; it waits for that at its stop.
    client.close();
    completions[0](Response());
  }
  completions[0](Response());
}

TEST(Front, WhatBlocksDoesNotStopTheOthers) {
  Serving serving;
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(serving.connect());
    clients.back().send(get("/block"));
  }
  ASSERT_TRUE(comes_true([&] { return serving.application.blocked == 4; }));
  EXPECT_TRUE(serving.pings());
  serving.application.open_gate();
  for (Client& client : clients) EXPECT_EQ(client.answer().status, 200);
}

// Event streams.

TEST(FrontStream, SendsWhatIsThereAndWhatComes) {
  Serving serving;
  serving.application.publish("one");
  Client client = serving.connect();
  client.send(get("/events"));
  ASSERT_TRUE(client.receive_until("data: one\n\n"));
  EXPECT_THAT(client.received(), HasSubstr("\r\nContent-Type: text/event-stream\r\n"));
  serving.application.publish("two");
  serving.front().wake_streams();
  EXPECT_TRUE(client.receive_until("id: 2\ndata: two\n\n"));
}

TEST(FrontStream, ResumesAfterAnEvent) {
  Serving serving;
  for (const char* text : {"one", "two", "three"}) serving.application.publish(text);
  Client client = serving.connect();
  client.send(get("/events", "Last-Event-ID: 2\r\n"));
  ASSERT_TRUE(client.receive_until("data: three\n\n"));
  EXPECT_EQ(client.received().find("data: two"), std::string::npos);
}

TEST(FrontStream, ASlowReaderLosesNothing) {
  Serving serving;
  Client client = serving.connect();
  client.send(get("/events"));
  ASSERT_TRUE(client.receive_until("\r\n\r\n"));
  const std::string filler(1000, 'x');
  for (int i = 1; i <= 5000; ++i) {
    serving.application.publish(std::to_string(i) + filler);
    if (i % 500 == 0) serving.front().wake_streams();
  }
  // About 5 MB that nobody reads; of them the front holds no more than a stream's buffer.
  EXPECT_TRUE(serving.pings());
  EXPECT_LT(serving.front().counts().buffered_bytes, 200'000u);
  ASSERT_TRUE(client.receive_until("id: 5000\n"));
  std::size_t at = 0;
  for (int i = 1; i <= 5000; ++i) {
    const std::size_t next = client.received().find("id: " + std::to_string(i) + "\n", at);
    ASSERT_NE(next, std::string::npos) << i;
    at = next;
  }
}

TEST(FrontStream, AReaderWhoTakesNothingIsCutOff) {
  FrontLimits limits;
  limits.stream_stall = std::chrono::milliseconds(50);
  Serving serving(limits);
  const std::string filler(100'000, 'x');
  for (int i = 0; i < 50; ++i) serving.application.publish(filler);
  Client client = serving.connect();
  client.send(get("/events"));
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().streams == 1; }));
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().streams == 0; }));
  const std::string got = client.rest();
  EXPECT_EQ(got.find("0\r\n\r\n", got.size() - 5), std::string::npos);
}

TEST(FrontStream, SendsCommentsWhenThereIsNothing) {
  FrontLimits limits;
  limits.stream_comment = std::chrono::milliseconds(20);
  Serving serving(limits);
  Client client = serving.connect();
  client.send(get("/events"));
  EXPECT_TRUE(client.receive_until("e\r\n: keep-alive\n\n\r\ne\r\n: keep-alive\n\n\r\n"));
}

TEST(FrontStream, AReaderWhoHasGoneIsForgotten) {
  Serving serving;
  Client client = serving.connect();
  client.send(get("/events"));
  ASSERT_TRUE(comes_true([&] { return serving.front().counts().streams == 1; }));
  client.close();
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().connections == 0; }));
  EXPECT_EQ(serving.front().counts().streams, 0u);
}

TEST(FrontStream, HeadOfAStreamEnds) {
  Serving serving;
  Client client = serving.connect();
  client.send("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(client.answer(true).has("text/event-stream"));
  EXPECT_EQ(client.ask(get("/ping")).status, 200);
}

// The end.

TEST(FrontStop, AnswersWhatHasBegun) {
  Serving serving;
  Client idle = serving.connect();
  EXPECT_EQ(idle.ask(get("/ping")).status, 200);
  Client blocked = serving.connect();
  blocked.send(get("/block"));
  Client later = serving.connect();
  later.send(get("/later"));
  Client half = serving.connect();
  half.send("GET /ping HTTP/1.1\r\nHo");
  Client stream = serving.connect();
  stream.send(get("/events"));
  ASSERT_TRUE(stream.receive_until("\r\n\r\n"));
  auto completions = serving.application.completions(1);
  ASSERT_EQ(completions.size(), 1u);
  ASSERT_TRUE(comes_true([&] {
    return serving.application.blocked == 1 && serving.front().counts().connections == 5;
  }));

  serving.front().stop();
  EXPECT_TRUE(idle.ends());
  EXPECT_TRUE(stream.rest().ends_with("0\r\n\r\n"));
  EXPECT_FALSE(serving.connect().connected());
  EXPECT_FALSE(serving.ended());

  half.send("st: localhost\r\n\r\n");
  EXPECT_EQ(half.answer().status, 200);
  EXPECT_TRUE(half.ends());
  completions[0](Response());
  EXPECT_EQ(later.answer().status, 200);
  serving.application.open_gate();
  EXPECT_EQ(blocked.answer().status, 200);
  EXPECT_TRUE(comes_true([&] { return serving.ended(); }));
}

TEST(FrontStop, AnswersWhoeverConnectedBefore) {
  Serving serving;
  std::vector<Client> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(serving.connect());
    clients.back().send(get("/ping"));
  }
  serving.front().stop();
  for (Client& client : clients) EXPECT_EQ(client.answer().status, 200);
  EXPECT_TRUE(comes_true([&] { return serving.ended(); }));
}

TEST(FrontStop, DoesNotWaitForEver) {
  FrontLimits limits;
  limits.stop = std::chrono::milliseconds(30);
  Serving serving(limits);
  Client client = serving.connect();
  client.send(get("/later"));
  auto completions = serving.application.completions(1);
  serving.front().stop();
  EXPECT_TRUE(comes_true([&] { return serving.ended(); }));
  EXPECT_TRUE(client.ends());
}

} // namespace
} // namespace trust
