/* The table of known scripts. */
#include "rsm/scripts.h"

#include "base/alloc.h"

#include <ctype.h>
#include <string.h>

void scripts_init(struct scripts *s, struct hash_seed seed)
{
    *s = (struct scripts){
        .by_name = dict_new(&seed), .by_hash = dict_new(&seed), .seed = seed, .engine = script_engine_new()};
    list_init(&s->in_use_order);
}

static struct slice hash_key(const uint64_t *hash)
{
    return slice_of((const char *)hash, sizeof *hash);
}

static void drop(struct scripts *s, struct stored_script *script)
{
    script_forget(s->engine, script);
    dict_remove(s->by_name, slice_of(script->name, SHA1_HEX));
    if (dict_get(s->by_hash, hash_key(&script->hash)) == script)
        dict_remove(s->by_hash, hash_key(&script->hash));
    list_remove(&script->in_use_order);
    mem_free(script);
}

void scripts_flush(struct scripts *s)
{
    list_for_each_safe(it, next, &s->in_use_order)
        drop(s, list_entry(it, struct stored_script, in_use_order));
    s->by_eval = 0;
    s->digest = 0;
}

void scripts_deinit(struct scripts *s)
{
    scripts_flush(s);
    dict_free(s->by_name);
    dict_free(s->by_hash);
    script_engine_free(s->engine);
}

size_t scripts_count(const struct scripts *s)
{
    return dict_count(s->by_name);
}

struct stored_script *scripts_find(const struct scripts *s, struct slice name)
{
    char lower[SHA1_HEX];
    if (name.len != SHA1_HEX)
        return NULL;
    for (size_t i = 0; i < SHA1_HEX; i++)
        lower[i] = (char)tolower((unsigned char)name.data[i]);
    return dict_get(s->by_name, slice_of(lower, SHA1_HEX));
}

struct stored_script *scripts_find_body(const struct scripts *s, struct slice body)
{
    char name[SHA1_HEX + 1];
    uint64_t hash = siphash(&s->seed, body.data, body.len);
    struct stored_script *script = dict_get(s->by_hash, hash_key(&hash));
    if (script && slice_equal(slice_of(script->body, script->len), body))
        return script;
    sha1_hex(body, name);
    return scripts_find(s, slice_of(name, SHA1_HEX));
}

static uint64_t digest_of(const struct stored_script *script)
{
    static const struct hash_seed seed = {0, 0};
    return siphash(&seed, script->name, SHA1_HEX) + script->loaded;
}

static void forget(struct scripts *s, struct stored_script *script)
{
    s->digest -= digest_of(script);
    s->by_eval -= !script->loaded;
    drop(s, script);
}

static void forget_oldest(struct scripts *s)
{
    list_for_each(it, &s->in_use_order)
    {
        struct stored_script *script = list_entry(it, struct stored_script, in_use_order);
        if (!script->loaded) {
            forget(s, script);
            return;
        }
    }
}

/* One that is there already only becomes loaded. */
struct stored_script *scripts_add(struct scripts *s, struct slice body, bool loaded)
{
    char name[SHA1_HEX + 1];
    sha1_hex(body, name);
    struct stored_script *script = scripts_find(s, slice_of(name, SHA1_HEX));
    if (script && loaded && !script->loaded) {
        s->digest -= digest_of(script);
        script->loaded = true;
        s->digest += digest_of(script);
        s->by_eval--;
    }
    if (script)
        return script;
    script = mem_alloc(sizeof *script + body.len);
    script->loaded = loaded;
    script->wrote = false;
    script->used = s->uses;
    script->len = (uint32_t)body.len;
    script->hash = siphash(&s->seed, body.data, body.len);
    memcpy(script->name, name, sizeof name);
    if (body.len)
        memcpy(script->body, body.data, body.len);
    dict_put(s->by_name, slice_of(script->name, SHA1_HEX), script);
    dict_put(s->by_hash, hash_key(&script->hash), script);
    list_push_back(&s->in_use_order, &script->in_use_order);
    s->digest += digest_of(script);
    s->by_eval += !loaded;
    if (s->by_eval > SCRIPTS_BY_EVAL)
        forget_oldest(s);
    return script;
}

void scripts_used(struct scripts *s, struct stored_script *script)
{
    list_remove(&script->in_use_order);
    list_push_back(&s->in_use_order, &script->in_use_order);
    script->used = ++s->uses;
}

bool scripts_is_old(const struct scripts *s, const struct stored_script *script)
{
    return !script->loaded && s->uses - script->used > SCRIPTS_BY_EVAL / 2;
}

void scripts_save(const struct stored_script *script, struct buf *out)
{
    put_u8(out, script->loaded);
    buf_append(out, script->body, script->len);
}

bool scripts_load(struct scripts *s, struct slice bytes)
{
    if (bytes.len == 0 || (unsigned char)*bytes.data > 1 || bytes.len > UINT32_MAX)
        return false;
    size_t before = scripts_count(s);
    scripts_add(s, slice_drop(bytes, 1), *bytes.data);
    return scripts_count(s) == before + 1;
}
