/* Intrusive doubly-linked list: the head is a node like any other, so no case is special. */
#include "base/list.h"

void list_init(struct list *head)
{
    head->prev = head->next = head;
}

bool list_empty(const struct list *head)
{
    return head->next == head;
}

static void link_between(struct list *before, struct list *node, struct list *after)
{
    node->prev = before;
    node->next = after;
    before->next = node;
    after->prev = node;
}

void list_push_back(struct list *head, struct list *node)
{
    link_between(head->prev, node, head);
}

void list_push_front(struct list *head, struct list *node)
{
    link_between(head, node, head->next);
}

void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = node;
}
