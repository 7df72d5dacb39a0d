/* A member that clients of ZooKeeper's protocol can reach. Only what C89 and C++98 have, and sockets. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/* Says some bytes to a port of this machine and reads to the end; how many bytes came, -1 if nobody is there. */
static long say(uint16_t port, const void *said, size_t said_len, char *heard, size_t heard_cap) {
    struct sockaddr_in at;
    ssize_t some;
    size_t len = 0;
    int stream = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(stream >= 0);
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(stream, (struct sockaddr *)&at, sizeof at) != 0) {
        close(stream);
        return -1;
    }
    CHECK(write(stream, said, said_len) == (ssize_t)said_len);
    while (len < heard_cap && (some = read(stream, heard + len, heard_cap - len)) > 0) {
        len += (size_t)some;
    }
    close(stream);
    return (long)len;
}

int main(void) {
    folkmoot_member *member;
    char heard[64];
    uint16_t port = 0, other = 7;

    OK(folkmoot_member_open("memory:", &member));
    OK(folkmoot_member_listen(member, "127.0.0.1:0", "4lw.commands.whitelist=ruok\n", &port));
    CHECK(port != 0);
    CHECK(say(port, "ruok", 4, heard, sizeof heard) == 4 && memcmp(heard, "imok", 4) == 0);
    OK(folkmoot_member_listen(member, "127.0.0.1:0", NULL, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_listen(member, "127.0.0.1", NULL, &other));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_listen(member, "127.0.0.1:0", "tickTime=soon", &other));
    CHECK(strstr(folkmoot_last_error(), "tickTime") != NULL);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_listen(member, NULL, NULL, &other));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_listen(NULL, "127.0.0.1:0", NULL, &other));
    CHECK(other == 7);
    OK(folkmoot_member_close(member));
    CHECK(say(port, "ruok", 4, heard, sizeof heard) == -1);
    EXPECT(FOLKMOOT_CLOSED, folkmoot_member_listen(member, "127.0.0.1:0", NULL, &other));
    folkmoot_member_free(member);
    return 0;
}
