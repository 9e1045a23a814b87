# For check-purity and check-globals: `objects_of PATTERN` lists the object of each .c file that matches, and fails
# when one has not been built, so that a check of nothing does not pass.
objects_of() {
    local source object status=0
    while IFS= read -r source; do
        object=$BUILD/obj/${source%.c}.o
        if [ "$object" -ot "$source" ]; then # also when there is none
            echo "$object is not there or older than its source: make build first" >&2
            status=1
        else
            echo "$object"
        fi
    done < <(find src -name '*.c' | grep -E "$1" | LC_ALL=C sort)
    return $status
}
