// udt_file: one file over UDT 4, for the benchmark to compare with. Needs
// libudt-dev, which only `./dev bench` installs.
//
//   udt_file --listen PORT OUTPUT     receives one file
//   udt_file --to ADDRESS PORT FILE   sends it
//
// The size goes ahead, 8 bytes in the machine's order: both ends are on one.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <udt/udt.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

// Bytes that may be on their way: twice the benchmark's largest
// bandwidth-delay product. The default is 12 MB.
constexpr int kWindow = 25'000'000;
// UDT counts its window in packets; the default is 25,600.
constexpr int kWindowPackets = 51'200;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "udt_file: %s: %s\n", what,
               UDT::getlasterror().getErrorMessage());
  std::exit(1);
}

void Check(std::int64_t result, const char* what) {
  if (result == UDT::ERROR) Fail(what);
}

UDTSOCKET Open() {
  const UDTSOCKET udt = UDT::socket(AF_INET, SOCK_STREAM, 0);
  if (udt == UDT::INVALID_SOCK) Fail("socket");
  Check(UDT::setsockopt(udt, 0, UDT_FC, &kWindowPackets, sizeof(int)), "FC");
  for (const UDT::SOCKOPT option :
       {UDT_SNDBUF, UDT_RCVBUF, UDP_SNDBUF, UDP_RCVBUF}) {
    Check(UDT::setsockopt(udt, 0, option, &kWindow, sizeof(int)), "buffer");
  }
  return udt;
}

sockaddr_in Address(const char* host, const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) Fail(host);
  return address;
}

void Receive(const char* port, const char* path) {
  const UDTSOCKET listener = Open();
  const sockaddr_in address = Address("0.0.0.0", port);
  Check(UDT::bind(listener, reinterpret_cast<const sockaddr*>(&address),
                  sizeof(address)),
        "bind");
  Check(UDT::listen(listener, 1), "listen");
  sockaddr_storage peer;
  int length = sizeof(peer);
  const UDTSOCKET udt =
      UDT::accept(listener, reinterpret_cast<sockaddr*>(&peer), &length);
  if (udt == UDT::INVALID_SOCK) Fail("accept");
  std::fstream file(path, std::ios::out | std::ios::binary | std::ios::trunc);
  std::int64_t size = 0;
  Check(UDT::recv(udt, reinterpret_cast<char*>(&size), sizeof(size), 0),
        "size");
  std::int64_t offset = 0;
  Check(UDT::recvfile(udt, file, offset, size), path);
  file.close();
  UDT::close(udt);
}

void Send(const char* host, const char* port, const char* path) {
  const UDTSOCKET udt = Open();
  const sockaddr_in address = Address(host, port);
  Check(UDT::connect(udt, reinterpret_cast<const sockaddr*>(&address),
                     sizeof(address)),
        host);
  std::fstream file(path, std::ios::in | std::ios::binary);
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path));
  Check(UDT::send(udt, reinterpret_cast<const char*>(&size), sizeof(size), 0),
        "size");
  std::int64_t offset = 0;
  Check(UDT::sendfile(udt, file, offset, size), path);
  UDT::close(udt);  // Lingers until everything has been acknowledged.
}

}  // namespace

int main(int argc, char** argv) {
  UDT::startup();
  if (argc == 4 && std::strcmp(argv[1], "--listen") == 0) {
    Receive(argv[2], argv[3]);
  } else if (argc == 5 && std::strcmp(argv[1], "--to") == 0) {
    Send(argv[2], argv[3], argv[4]);
  } else {
    std::fprintf(stderr,
                 "usage: udt_file --listen PORT OUTPUT\n"
                 "       udt_file --to ADDRESS PORT FILE\n");
    return 2;
  }
  UDT::cleanup();
}
