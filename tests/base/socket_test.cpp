// SPDX-License-Identifier: Apache-2.0
#include "base/socket.h"

#include <cerrno>
#include <doctest/doctest.h>
#include <poll.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/gang_address.h"
#include "base/host.h"

namespace saturn::socket_test {

TEST_CASE("a listening socket is reached by IPv4 and by IPv6") {
  const FileDescriptor listener = listen_at_any_port();
  CHECK(port_of(listener.get()) > 0);
  CHECK_FALSE(accept_from(listener.get()));
  for (const char* host : {"127.0.0.1", "::1"}) {
    std::string why;
    const FileDescriptor socket = connect_to(host, port_of(listener.get()), Seconds(5), why);
    REQUIRE_MESSAGE(socket, why);
    pollfd polled{listener.get(), POLLIN, 0};
    CHECK(::poll(&polled, 1, 5000) == 1);
    FileDescriptor accepted = accept_from(listener.get());
    REQUIRE(accepted);
    CHECK(peer_address(accepted.get()).find(host) != std::string::npos);
    int number = 7;
    CHECK(send_all(socket.get(), &number, sizeof number, Seconds(5)) == 0);
    number = 0;
    CHECK(receive_all(accepted.get(), &number, sizeof number, Seconds(5)) == 0);
    CHECK(number == 7);
    CHECK(receive_all(accepted.get(), &number, sizeof number, Seconds(0.05)) == ETIMEDOUT);
    accepted.reset();
    CHECK(receive_all(socket.get(), &number, sizeof number, Seconds(5)) == ECONNRESET);
  }
}

TEST_CASE("why there is no connection is said") {
  std::string why;
  int port = 0;
  {
    const FileDescriptor listener = listen_at_any_port();
    port = port_of(listener.get());
  }
  CHECK_FALSE(connect_to("127.0.0.1", port, Seconds(5), why));
  CHECK(why == "Connection refused");
  CHECK_FALSE(connect_to("no-such-host.invalid", port, Seconds(5), why));
  CHECK(why != "Connection refused");
}

TEST_CASE("a list of interfaces names those that NCCL's list would") {
  for (const char* list : {"eth", "ib,eth", "=eth0", "=ib0,eth0", "^ib,docker", "^=eth", "ib,,eth0"})
    CHECK_MESSAGE(names_interface(list, "eth0"), list);
  for (const char* list : {"ib", "=eth", "=ib0", "^eth", "^ib,eth0", "^=eth0", "", "eth0.1"})
    CHECK_FALSE_MESSAGE(names_interface(list, "eth0"), list);
}

TEST_CASE("a machine is reached at the interfaces that are asked for") {
  CHECK(own_addresses("=lo").front() == "127.0.0.1");
  CHECK(own_addresses("").front() == host_name());
  for (const std::string& address : own_addresses("")) CHECK(address != "127.0.0.1");
  try {
    own_addresses("=no-such-thing");
    FAIL("it has such an interface");
  } catch (const SystemError& error) {
    const std::string text = error.what();
    CHECK(text.find("NCCL_SOCKET_IFNAME is '=no-such-thing', and ") != std::string::npos);
    CHECK(text.substr(text.rfind(" has ")).find("lo") != std::string::npos);
  }
}

TEST_CASE("a gang's address reads back the same, and is new each time") {
  const FileDescriptor listener = listen_at_any_port();
  const GangAddress address = make_gang_address(listener.get());
  CHECK(address.port == port_of(listener.get()));
  CHECK_FALSE(address.hosts.empty());
  CHECK(parse_gang_address(to_text(address)) == address);
  CHECK(make_gang_address(listener.get()).token != address.token);
  for (const char* text : {"", "x", "1 2 3", "0 00112233445566778899aabbccddeeff host", "70000 x y",
                           "17 00112233445566778899aabbccddeeff", "17 00112233445566778899aabbccddeefg host"})
    CHECK_FALSE(parse_gang_address(text));
}

}  // namespace saturn::socket_test
