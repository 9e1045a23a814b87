/* notify-keyspace-events: which events are told, and where; and who listens. The letters are Redis's. */
#include "rsm/rsm_int.h"

/* In the order in which Redis writes them. */
static const struct {
    char letter;
    unsigned bits;
} letters[] = {
    {'g', EVENT_GENERIC},      {'$', EVENT_STRING},      {'l', EVENT_LIST},    {'s', EVENT_SET},
    {'h', EVENT_HASH},         {'z', EVENT_ZSET},        {'x', EVENT_EXPIRED}, {'e', EVENT_EVICTED},
    {'t', EVENT_STREAM},       {'d', RSM_EVENTS_MODULE}, {'n', EVENT_NEW},     {'K', RSM_EVENTS_BY_KEY},
    {'E', RSM_EVENTS_BY_NAME}, {'m', EVENT_MISS},
};
enum {
    LETTERS = sizeof letters / sizeof *letters,
    CLASSES_IN_ALL = 10, /* the first ones, which A stands for */
    CLASSES = 11,
};

static unsigned all(void)
{
    unsigned bits = 0;
    for (size_t i = 0; i < CLASSES_IN_ALL; i++)
        bits |= letters[i].bits;
    return bits;
}

const char *rsm_events_parse(struct slice text, uint64_t *out)
{
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t j = 0;
        while (j < LETTERS && letters[j].letter != text.data[i])
            j++;
        if (j == LETTERS && text.data[i] != 'A')
            return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
        bits |= j == LETTERS ? all() : letters[j].bits;
    }
    *out = bits;
    return NULL;
}

void rsm_events_print(uint64_t bits, char *text)
{
    size_t i = 0, n = 0;
    if ((bits & all()) == all()) {
        text[n++] = 'A';
        i = CLASSES;
    }
    for (; i < LETTERS; i++)
        if (bits & letters[i].bits)
            text[n++] = letters[i].letter;
    text[n] = '\0';
}

/* Without K and E there is nowhere to tell of them. */
void rsm_events_refresh(struct rsm *r)
{
    uint64_t bits = r->settings.value[SETTING_EVENTS];
    unsigned told = bits & (RSM_EVENTS_BY_KEY | RSM_EVENTS_BY_NAME) ? (unsigned)bits : 0;
    r->listening = r->listener.heard ? told | r->listens : 0;
}

void rsm_listen(struct rsm *r, const struct rsm_listener *listener, unsigned classes)
{
    r->listener = *listener;
    r->ear = (struct store_listener){listener->arg, listener->heard};
    r->listens = classes;
    rsm_events_refresh(r);
}

void rsm_heard(void *arg, enum store_event_class class, const char *event, uint32_t db, struct slice key)
{
    struct rsm *r = arg;
    if (class & BLOCKED_LISTENS)
        blocked_heard(&r->blocked, class, db, key);
    if (r->listener.written)
        rsm_written_heard(r, class, event, db, key);
    if (class & r->listening)
        r->listener.heard(r->listener.arg, class, event, db, key);
}
