/* Intrusive doubly-linked list with a sentinel head. Linking and unlinking allocate nothing. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

void list_init(struct list *head);
bool list_empty(const struct list *head);
void list_push_back(struct list *head, struct list *node);
void list_push_front(struct list *head, struct list *node);
void list_remove(struct list *node); /* leaves node pointing at itself, so removing twice is harmless */

#define list_entry(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define list_for_each(it, head)       for (struct list *it = (head)->next; it != (head); it = it->next)
/* `it` may be unlinked in the body. */
#define list_for_each_safe(it, tmp, head)                                                                    \
    for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)

#endif
