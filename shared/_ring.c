/* fumehood.shared._ring: Segment and Port for Python. The ring's own rules are in _ring.h, its contract in _ring.pyi.

   Limited API 3.11, so that one wheel serves 3.11 and later; multi-phase initialisation and heap types, so that the
   module keeps no global state. */

#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getcpu, F_GET_SEALS, syscall */
#endif
#include <Python.h>

#define MODULE_NAME "fumehood.shared._ring"

#ifndef __linux__

/* fumehood.worker must import on any system, so that a mod's author has names to complete: the package installs there,
   and only this module says no. */
static int exec_module(PyObject *module)
{
    (void)module;
    PyErr_SetString(PyExc_ImportError,
                    "fumehood's shared memory needs Linux (memfd, seals, futex); on Windows use WSL2, on macOS a container");
    return -1;
}

static PyMethodDef module_methods[] = {{NULL, NULL, 0, NULL}};

#else

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "_ring.h"
#include "_weigh.h"

typedef struct {
    PyObject *CorruptRing;
    PyTypeObject *Segment;
    PyTypeObject *Port;
} module_state;

/* --- Segment -------------------------------------------------------------------------------------------------------*/

typedef struct {
    PyObject_HEAD
    unsigned char *base; /* NULL: closed */
    size_t size;
    bool writable;
    Py_ssize_t users; /* Ports and waits in progress: it cannot be unmapped under them */
} Segment;

static PyObject *segment_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", "size", "writable", NULL};
    int fd, writable;
    Py_ssize_t size;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "in$p:Segment", names, &fd, &size, &writable))
        return NULL;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (size <= 0 || status.st_size != (off_t)size) {
        PyErr_Format(PyExc_ValueError, "the file has %lld bytes, not %zd", (long long)status.st_size, size);
        return NULL;
    }
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 && errno != EINVAL) /* EINVAL: not a file that can have any */
        return PyErr_SetFromErrno(PyExc_OSError);
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW)) {
        PyErr_SetString(PyExc_ValueError, "the file's size is not sealed (F_SEAL_SHRINK and F_SEAL_GROW)");
        return NULL;
    }
    void *base = mmap(NULL, (size_t)size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return PyErr_SetFromErrno(PyExc_OSError);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Segment *self = (Segment *)alloc(type, 0);
    if (self == NULL) {
        munmap(base, (size_t)size);
        return NULL;
    }
    self->base = base;
    self->size = (size_t)size;
    self->writable = writable;
    self->users = 0;
    return (PyObject *)self;
}

static void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static void segment_dealloc(Segment *self)
{
    if (self->base != NULL)
        munmap(self->base, self->size);
    free_object((PyObject *)self);
}

static bool segment_is_open(Segment *self)
{
    if (self->base != NULL)
        return true;
    PyErr_SetString(PyExc_ValueError, "the segment is closed");
    return false;
}

static bool segment_is_writable(Segment *self)
{
    if (self->writable)
        return true;
    PyErr_SetString(PyExc_ValueError, "the segment is read-only");
    return false;
}

/* Check that [offset, offset + length) lies inside an open segment; -1 with ValueError or TypeError when not. */
static Py_ssize_t segment_offset(Segment *self, PyObject *offset_object, size_t length, size_t alignment)
{
    if (!segment_is_open(self))
        return -1;
    Py_ssize_t offset = PyLong_AsSsize_t(offset_object);
    if (offset == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear();
    }
    if (offset < 0 || length > self->size || (size_t)offset > self->size - length) {
        PyErr_Format(PyExc_ValueError, "%zu bytes at %S are outside a segment of %zu", length, offset_object,
                     self->size);
        return -1;
    }
    if ((size_t)offset % alignment != 0) {
        PyErr_Format(PyExc_ValueError, "offset %zd is not a multiple of %zu", offset, alignment);
        return -1;
    }
    return offset;
}

static bool argument_count(const char *name, Py_ssize_t given, Py_ssize_t least, Py_ssize_t most)
{
    if (given >= least && given <= most)
        return true;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments, not %zd", name, least, most, given);
    return false;
}

/* TypeError when it is no int, OverflowError when it does not fit. */
static bool unsigned_value(PyObject *object, uint64_t most, uint64_t *value)
{
    unsigned long long number = PyLong_AsUnsignedLongLong(object);
    if (number == (unsigned long long)-1 && PyErr_Occurred())
        return false;
    if (number > most) {
        PyErr_SetString(PyExc_OverflowError, "the value does not fit the word");
        return false;
    }
    *value = number;
    return true;
}

/* Nanoseconds, clamped to what the clock can hold. */
static bool timeout_value(PyObject *object, int64_t *timeout_ns)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (number == -1 && PyErr_Occurred())
        return false;
    *timeout_ns = overflow > 0 ? INT64_MAX : overflow < 0 ? 0 : number;
    return true;
}

static PyObject *segment_load32(Segment *self, PyObject *argument)
{
    Py_ssize_t offset = segment_offset(self, argument, 4, 4);
    return offset < 0 ? NULL : PyLong_FromUnsignedLong(load32(self->base, (size_t)offset));
}

static PyObject *segment_load64(Segment *self, PyObject *argument)
{
    Py_ssize_t offset = segment_offset(self, argument, 8, 8);
    return offset < 0 ? NULL : PyLong_FromUnsignedLongLong(load64(self->base, (size_t)offset));
}

static PyObject *segment_store32(Segment *self, PyObject *const *arguments, Py_ssize_t count)
{
    uint64_t value;
    if (!argument_count("store32", count, 2, 2))
        return NULL;
    Py_ssize_t offset = segment_offset(self, arguments[0], 4, 4);
    if (offset < 0 || !segment_is_writable(self) || !unsigned_value(arguments[1], UINT32_MAX, &value))
        return NULL;
    store32(self->base, (size_t)offset, (uint32_t)value);
    Py_RETURN_NONE;
}

static PyObject *segment_store64(Segment *self, PyObject *const *arguments, Py_ssize_t count)
{
    uint64_t value;
    if (!argument_count("store64", count, 2, 2))
        return NULL;
    Py_ssize_t offset = segment_offset(self, arguments[0], 8, 8);
    if (offset < 0 || !segment_is_writable(self) || !unsigned_value(arguments[1], UINT64_MAX, &value))
        return NULL;
    store64(self->base, (size_t)offset, value);
    Py_RETURN_NONE;
}

static PyObject *segment_add32(Segment *self, PyObject *const *arguments, Py_ssize_t count)
{
    uint64_t value = 1;
    if (!argument_count("add32", count, 1, 2))
        return NULL;
    Py_ssize_t offset = segment_offset(self, arguments[0], 4, 4);
    if (offset < 0 || !segment_is_writable(self))
        return NULL;
    if (count == 2 && !unsigned_value(arguments[1], UINT32_MAX, &value))
        return NULL;
    uint32_t before = atomic_fetch_add_explicit(word32(self->base, (size_t)offset), (uint32_t)value,
                                                memory_order_seq_cst);
    return PyLong_FromUnsignedLong((uint32_t)(before + (uint32_t)value));
}

static PyObject *segment_read(Segment *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (!argument_count("read", count, 2, 2))
        return NULL;
    Py_ssize_t length = PyLong_AsSsize_t(arguments[1]);
    if (length == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return NULL;
        PyErr_Clear();
    }
    if (length < 0) {
        PyErr_Format(PyExc_ValueError, "a length of %S", arguments[1]);
        return NULL;
    }
    Py_ssize_t offset = segment_offset(self, arguments[0], (size_t)length, 1);
    return offset < 0 ? NULL : PyBytes_FromStringAndSize((const char *)self->base + offset, length);
}

static PyObject *segment_write(Segment *self, PyObject *const *arguments, Py_ssize_t count)
{
    char *bytes;
    Py_ssize_t length;
    if (!argument_count("write", count, 2, 2) || PyBytes_AsStringAndSize(arguments[1], &bytes, &length) < 0)
        return NULL;
    Py_ssize_t offset = segment_offset(self, arguments[0], (size_t)length, 1);
    if (offset < 0 || !segment_is_writable(self))
        return NULL;
    memcpy(self->base + offset, bytes, (size_t)length);
    Py_RETURN_NONE;
}

static PyObject *segment_wake(Segment *self, PyObject *argument)
{
    Py_ssize_t offset = segment_offset(self, argument, 4, 4);
    return offset < 0 ? NULL : PyLong_FromLong(futex_wake(self->base, (size_t)offset));
}

static bool has_control_words(Segment *self)
{
    if (!segment_is_open(self))
        return false;
    if (self->size >= RING_DATA)
        return true;
    PyErr_Format(PyExc_ValueError, "a segment of %zu bytes has no control words", self->size);
    return false;
}

static PyObject *segment_nudge(Segment *self, PyObject *unused)
{
    (void)unused;
    if (!has_control_words(self) || !segment_is_writable(self))
        return NULL;
    ring_bell(self->base);
    Py_RETURN_NONE;
}

static PyObject *segment_wait32(Segment *self, PyObject *const *arguments, Py_ssize_t count)
{
    uint64_t expected;
    int64_t timeout_ns;
    if (!argument_count("wait32", count, 3, 3))
        return NULL;
    Py_ssize_t offset = segment_offset(self, arguments[0], 4, 4);
    if (offset < 0 || !unsigned_value(arguments[1], UINT32_MAX, &expected) || !timeout_value(arguments[2], &timeout_ns))
        return NULL;
    if (load32(self->base, (size_t)offset) != expected)
        Py_RETURN_TRUE;
    if (timeout_ns <= 0)
        Py_RETURN_FALSE;
    uint64_t deadline = deadline_after(now_ns(), timeout_ns);
    int error;
    self->users++; /* nobody unmaps it while we sleep in it */
    do {
        Py_BEGIN_ALLOW_THREADS
        error = futex_wait(self->base, (size_t)offset, (uint32_t)expected, deadline);
        Py_END_ALLOW_THREADS
    } while (error == EINTR && PyErr_CheckSignals() == 0);
    self->users--;
    if (PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(error != ETIMEDOUT);
}

static PyObject *segment_close(Segment *self, PyObject *unused)
{
    (void)unused;
    if (self->users > 0) {
        PyErr_SetString(PyExc_BufferError, "a Port or a wait still uses the segment");
        return NULL;
    }
    if (self->base != NULL) {
        munmap(self->base, self->size);
        self->base = NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *segment_get_size(Segment *self, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(self->size);
}

static PyObject *segment_get_writable(Segment *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(self->writable);
}

static PyObject *segment_get_closed(Segment *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(self->base == NULL);
}

#define FUNCTION(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef segment_methods[] = {
    {"load32", FUNCTION(segment_load32), METH_O, "One acquire load of a u32."},
    {"load64", FUNCTION(segment_load64), METH_O, "One acquire load of a u64."},
    {"store32", FUNCTION(segment_store32), METH_FASTCALL, "One release store of a u32."},
    {"store64", FUNCTION(segment_store64), METH_FASTCALL, "One release store of a u64."},
    {"add32", FUNCTION(segment_add32), METH_FASTCALL, "Sequentially consistent fetch-add, wrapping; the new value."},
    {"read", FUNCTION(segment_read), METH_FASTCALL, "Copy bytes out."},
    {"write", FUNCTION(segment_write), METH_FASTCALL, "Copy bytes in."},
    {"wake", FUNCTION(segment_wake), METH_O, "Wake all waiters on the u32 at offset; how many woke."},
    {"nudge", FUNCTION(segment_nudge), METH_NOARGS, "add32(BELL) and wake(BELL)."},
    {"wait32", FUNCTION(segment_wait32), METH_FASTCALL, "Sleep while the u32 equals expected; False: timed out."},
    {"close", FUNCTION(segment_close), METH_NOARGS, "Unmap. BufferError while in use."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef segment_getset[] = {
    {"size", (getter)segment_get_size, NULL, "Bytes mapped.", NULL},
    {"writable", (getter)segment_get_writable, NULL, "Whether it is mapped for writing.", NULL},
    {"closed", (getter)segment_get_closed, NULL, "Whether it is unmapped.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot segment_slots[] = {
    {Py_tp_doc, "A shared mapping of a memfd whose size is sealed."},
    {Py_tp_new, segment_new},
    {Py_tp_dealloc, segment_dealloc},
    {Py_tp_methods, segment_methods},
    {Py_tp_getset, segment_getset},
    {0, NULL},
};

static PyType_Spec segment_spec = {
    .name = MODULE_NAME ".Segment",
    .basicsize = sizeof(Segment),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = segment_slots,
};

/* --- Port ----------------------------------------------------------------------------------------------------------*/

typedef struct {
    PyObject_HEAD
    Segment *mine, *theirs; /* NULL: closed */
    Segment *board;         /* NULL: nothing watched */
    uint64_t asked_at, asked_from; /* of the last exchange() */
    unsigned long owner;    /* the thread that made it; 0: nobody, after a fork */
    bool waiting;           /* a thread waits in it without the GIL: nobody else may touch it */
    PyObject *on_query;     /* NULL: nobody answers */
    PyObject *others;       /* a tuple that holds what port.others points to; NULL: none */
    ring_port port;
} Port;

static Port *port_of(ring_port *port)
{
    return (Port *)(void *)((char *)port - offsetof(Port, port));
}

static void hold(Segment **field, Segment *segment)
{
    Py_INCREF((PyObject *)segment);
    segment->users++;
    *field = segment;
}

static void let_go(Segment **field)
{
    Segment *segment = *field;
    if (segment == NULL)
        return;
    *field = NULL;
    segment->users--;
    Py_DECREF((PyObject *)segment);
}

/* Type of the module's own exception; the type is known because Port cannot be subclassed. */
static PyObject *raise_corrupt(PyTypeObject *type, const ring_fault *fault)
{
    module_state *state = PyType_GetModuleState(type);
    if (state != NULL)
        PyErr_Format(state->CorruptRing, "%s of the peer is %llu, outside %llu to %llu", fault->what,
                     (unsigned long long)fault->value, (unsigned long long)fault->low,
                     (unsigned long long)fault->high);
    return NULL;
}

static bool ring_capacity(Segment *segment, const char *whose, uint64_t *capacity)
{
    if (!has_control_words(segment))
        return false;
    *capacity = segment->size - RING_DATA;
    if (*capacity < RING_CAPACITY_MIN || *capacity > RING_CAPACITY_MAX || (*capacity & (*capacity - 1)) != 0) {
        PyErr_Format(PyExc_ValueError, "%s: a ring of %llu bytes is no power of two from %llu to %llu", whose,
                     (unsigned long long)*capacity, (unsigned long long)RING_CAPACITY_MIN,
                     (unsigned long long)RING_CAPACITY_MAX);
        return false;
    }
    return true;
}

static bool ring_formatted(Segment *segment, const char *whose)
{
    if (load64(segment->base, RING_MAGIC) == RING_MAGIC_VALUE)
        return true;
    PyErr_Format(PyExc_ValueError, "%s: no ring of this version of fumehood", whose);
    return false;
}

/* Read the cursors a new Port begins with. What stands in `mine` was stored by us or by who had this end before. */
static bool take_over(ring_port *port)
{
    uint64_t magic = load64(port->theirs, RING_MAGIC); /* theirs to overwrite: a lie like any other */
    if (magic != RING_MAGIC_VALUE)
        return at_fault(&port->fault, "MAGIC", magic, RING_MAGIC_VALUE, RING_MAGIC_VALUE);
    port->head = port->published = load64(port->mine, RING_HEAD);
    port->tail = load64(port->mine, RING_TAIL);
    port->position = load64(port->mine, RING_STARTED);
    port->ended = load64(port->mine, RING_END) != RING_OPEN_END;
    if ((port->head | port->tail | port->position) & 7 || port->position < port->tail ||
        port->position - port->tail > port->their_capacity)
        return at_fault(&port->fault, "STARTED, taken over from us but not", port->position, port->tail,
                        port->tail + port->their_capacity);
    port->peer_head = port->position;
    if (!believe_head(port))
        return false;
    uint64_t peer_tail = load64(port->theirs, RING_TAIL);
    uint64_t oldest = port->head > port->my_capacity ? port->head - port->my_capacity : 0;
    if (peer_tail < oldest || peer_tail > port->head || peer_tail & 7)
        return at_fault(&port->fault, "TAIL", peer_tail, oldest, port->head);
    port->peer_tail = peer_tail;
    port->asked = (uint32_t)(load64(port->mine, RING_ASKED) >> 32);
    port->answered = (uint32_t)(load64(port->mine, RING_ANSWERED) >> 32);
    port->cpu = port->peer_home = RING_CPU_UNKNOWN;
    port->brisk_needed = RING_BRISK_NEEDED;
    store32(port->mine, RING_CPU, RING_CPU_UNKNOWN);
    store32(port->mine, RING_PARKED, RING_AWAKE);
    return true;
}

static void forget_others(Port *self)
{
    PyMem_Free(self->port.others);
    self->port.others = NULL;
    self->port.others_count = 0;
    Py_CLEAR(self->others);
}

static PyObject *port_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mine", "theirs", "spin_ns", "orders", NULL};
    module_state *state = PyType_GetModuleState(type);
    if (state == NULL)
        return NULL;
    PyObject *mine, *theirs;
    long long spin_ns = RING_SPIN_NS;
    int orders = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!|$Lp:Port", names, state->Segment, &mine, state->Segment,
                                     &theirs, &spin_ns, &orders))
        return NULL;
    ring_port port = {.orders = orders, .alarm = -1};
    if (mine == theirs || spin_ns < 0) {
        PyErr_SetString(PyExc_ValueError, spin_ns < 0 ? "spin_ns is negative" : "mine and theirs are the same segment");
        return NULL;
    }
    port.spin_ns = earlier((uint64_t)spin_ns, RING_LONGEST_NS);
    if (!ring_capacity((Segment *)mine, "mine", &port.my_capacity) ||
        !ring_capacity((Segment *)theirs, "theirs", &port.their_capacity) || !segment_is_writable((Segment *)mine) ||
        !ring_formatted((Segment *)mine, "mine"))
        return NULL;
    port.mine = ((Segment *)mine)->base;
    port.theirs = ((Segment *)theirs)->base;
    if (!take_over(&port))
        return raise_corrupt(type, &port.fault);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Port *self = (Port *)alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->port = port;
    self->owner = PyThread_get_thread_ident();
    hold(&self->mine, (Segment *)mine);
    hold(&self->theirs, (Segment *)theirs);
    return (PyObject *)self;
}

static void port_release(Port *self)
{
    forget_others(self);
    Py_CLEAR(self->on_query);
    self->port.most = self->port.allowed = 0;
    let_go(&self->mine);
    let_go(&self->theirs);
    let_go(&self->board);
}

static void port_dealloc(Port *self)
{
    port_release(self);
    free_object((PyObject *)self);
}

static bool port_is_usable(Port *self)
{
    if (self->mine != NULL && !self->waiting)
        return true;
    if (self->waiting)
        PyErr_SetString(PyExc_RuntimeError, "another thread waits in this port: a port belongs to one thread");
    else
        PyErr_SetString(PyExc_ValueError, "the port is closed");
    return false;
}

static PyObject *port_watch(Port *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (!argument_count("watch", count, 3, 3) || !port_is_usable(self))
        return NULL;
    if (!Py_IS_TYPE(arguments[0], Py_TYPE((PyObject *)self->mine))) {
        PyErr_SetString(PyExc_TypeError, "watch() takes a Segment");
        return NULL;
    }
    Segment *board = (Segment *)arguments[0];
    uint64_t epoch;
    Py_ssize_t offset = segment_offset(board, arguments[1], 8, 8);
    if (offset < 0 || !unsigned_value(arguments[2], UINT64_MAX, &epoch))
        return NULL;
    Segment *before = self->board;
    hold(&self->board, board);
    let_go(&before);
    self->port.board = board->base;
    self->port.board_offset = (size_t)offset;
    self->port.board_epoch = epoch;
    Py_RETURN_NONE;
}

/* 1: staged, 0: no room, -1: an exception is set. */
static int port_stage_bytes(Port *self, PyObject *data)
{
    char *bytes;
    Py_ssize_t length;
    if (!port_is_usable(self) || PyBytes_AsStringAndSize(data, &bytes, &length) < 0)
        return -1;
    ring_port *port = &self->port;
    if ((uint64_t)length > longest_message(port->my_capacity)) {
        PyErr_Format(PyExc_ValueError, "a message of %zd bytes is longer than %llu", length,
                     (unsigned long long)longest_message(port->my_capacity));
        return -1;
    }
    if (port->ended) {
        PyErr_SetString(PyExc_ValueError, "the ring was ended; reopen() it first");
        return -1;
    }
    return stage(port, bytes, (size_t)length);
}

static PyObject *port_push(Port *self, PyObject *data)
{
    int staged = port_stage_bytes(self, data);
    if (staged < 0)
        return NULL;
    publish(&self->port); /* without room, too: nobody could make any by reading what they cannot see */
    return PyBool_FromLong(staged);
}

static PyObject *port_stage(Port *self, PyObject *data)
{
    int staged = port_stage_bytes(self, data);
    return staged < 0 ? NULL : PyBool_FromLong(staged);
}

static PyObject *port_restage(Port *self, PyObject *data)
{
    if (!port_is_usable(self))
        return NULL;
    self->port.head = self->port.published;
    return port_stage(self, data);
}

static PyObject *port_publish(Port *self, PyObject *unused)
{
    (void)unused;
    if (!port_is_usable(self))
        return NULL;
    publish(&self->port);
    Py_RETURN_NONE;
}

/* Measure the next message: false without an exception when there is none. */
static bool port_measure(Port *self, uint64_t *length)
{
    if (!port_is_usable(self))
        return false;
    enum ring_news news = next_frame(&self->port, length);
    if (news == RING_CORRUPT)
        raise_corrupt(Py_TYPE((PyObject *)self), &self->port.fault);
    return news == RING_MESSAGE;
}

/* The message that was measured, from `offset` on, as bytes. Nothing is taken when they cannot be allocated. */
static PyObject *port_take_measured(Port *self, uint64_t length, uint64_t offset)
{
    PyObject *message = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(length - offset));
    if (message == NULL)
        return NULL;
    read_frame(&self->port, offset, PyBytes_AsString(message), length - offset);
    advance(&self->port, length);
    return message;
}

/* The next message as bytes, None, or NULL with an exception. */
static PyObject *port_next(Port *self)
{
    uint64_t length;
    if (!port_measure(self, &length))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    return port_take_measured(self, length, 0);
}

static PyObject *port_take(Port *self, PyObject *unused)
{
    (void)unused;
    return port_next(self);
}

static PyObject *port_peek(Port *self, PyObject *unused)
{
    (void)unused;
    uint64_t length;
    if (!port_measure(self, &length))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    return PyLong_FromUnsignedLongLong(length);
}

static PyObject *port_finish(Port *self, PyObject *unused)
{
    (void)unused;
    if (!port_is_usable(self))
        return NULL;
    give_back(&self->port);
    Py_RETURN_NONE;
}

static PyObject *port_pop(Port *self, PyObject *unused)
{
    (void)unused;
    PyObject *message = port_next(self);
    if (message != NULL && message != Py_None)
        give_back(&self->port);
    return message;
}

/* Nobody else may close what a wait looks at. */
static void set_waiting(Port *self, bool waiting)
{
    self->waiting = waiting;
    for (size_t i = 0; i < self->port.others_count; i++)
        port_of(self->port.others[i])->waiting = waiting;
}

/* The part of a wait that gives the GIL away: poll or yield when that pays, then sleep. Comes back with news, and runs
   signal handlers in between. */
typedef struct {
    int64_t want; /* as in park() */
    uint64_t start, deadline;
    uint64_t poll_until; /* 0: do not poll */
    bool yield;
} wait_plan;

static PyObject *port_wait_without_gil(Port *self, wait_plan plan)
{
    ring_port *port = &self->port;
    for (;;) {
        enum ring_news news = RING_NOTHING;
        set_waiting(self, true);
        Py_BEGIN_ALLOW_THREADS
        if (plan.poll_until != 0) {
            news = spin(port, plan.want, plan.poll_until);
            if (news != RING_NOTHING)
                port->vain = 0;
        }
        if (plan.yield)
            news = yield_to_peer(port, plan.want, plan.start);
        if (news == RING_NOTHING)
            news = park(port, plan.want, plan.deadline);
        Py_END_ALLOW_THREADS
        set_waiting(self, false);
        if (news == RING_CORRUPT)
            return raise_corrupt(Py_TYPE((PyObject *)self), &port->fault);
        if (news != RING_INTERRUPTED) {
            port->woke_peer = false;
            if (plan.start != 0)
                learn_from_wait(port, plan.yield, plan.start);
            return PyLong_FromLong(news);
        }
        /* A handler may use this port, and may close it. */
        if (PyErr_CheckSignals() < 0 || !port_is_usable(self))
            return NULL;
        plan.poll_until = 0;
        plan.yield = false;
    }
}

/* `start`: now_ns() of a moment ago, 0: not known. The timeout counts from there. */
static PyObject *wait_once(Port *self, int64_t timeout_ns, bool may_spin, uint64_t start)
{
    ring_port *port = &self->port;
    enum ring_news news = look(port);
    if ((news == RING_NOTHING || news == RING_QUERY) && timeout_ns <= 0)
        news = RING_TIMEOUT;
    if (news == RING_NOTHING) {
        wait_plan plan = {.want = RING_WANT_MESSAGE, .start = start != 0 ? start : now_ns()};
        plan.deadline = deadline_after(plan.start, timeout_ns);
        if (!may_spin || port->spin_ns == 0)
            return port_wait_without_gil(self, plan);
        enum ring_place place = place_of_peer(port);
        if (place != RING_ELSEWHERE) {
            plan.yield = place == RING_HERE && yielding_pays(port, plan.start);
            return port_wait_without_gil(self, plan);
        }
        news = spin(port, plan.want, earlier(plan.start + earlier(port->spin_ns, RING_HOLD_GIL_NS), plan.deadline));
        if (news == RING_NOTHING) {
            if (spinning_pays(port))
                plan.poll_until = earlier(plan.start + port->spin_ns, plan.deadline);
            port->vain += port->vain < UINT32_MAX;
            return port_wait_without_gil(self, plan);
        }
        port->vain = 0;
        port->woke_peer = false;
    }
    if (news == RING_CORRUPT)
        return raise_corrupt(Py_TYPE((PyObject *)self), &port->fault);
    return PyLong_FromLong(news);
}

#include "_query.h"
#include "_loop.h"

/* The same, and queries that come meanwhile are answered. */
static PyObject *wait_from(Port *self, int64_t timeout_ns, bool may_spin, uint64_t start)
{
    PyObject *news = wait_once(self, timeout_ns, may_spin, start);
    if (news == NULL || PyLong_AsLong(news) != RING_QUERY)
        return news;
    if (start == 0)
        start = now_ns();
    uint64_t deadline = deadline_after(start, timeout_ns);
    do {
        Py_DECREF(news);
        uint64_t now = now_ns(), position = self->port.position;
        if (!answer_query(port_of(self->port.asker), deadline) || !port_is_usable(self))
            return NULL;
        /* Who answered may have taken what we wait for, in a wait of its own: then the caller looks at what it has. */
        if (now >= deadline || position != self->port.position)
            return PyLong_FromLong(RING_TIMEOUT);
        news = wait_once(self, (int64_t)(deadline - now), may_spin, now);
    } while (news != NULL && PyLong_AsLong(news) == RING_QUERY);
    return news;
}

static PyObject *port_wait(Port *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t timeout_ns;
    if (!argument_count("wait", count, 1, 2) || !port_is_usable(self) || !timeout_value(arguments[0], &timeout_ns))
        return NULL;
    int may_spin = count < 2 ? 1 : PyObject_IsTrue(arguments[1]);
    return may_spin < 0 ? NULL : wait_from(self, timeout_ns, may_spin, 0);
}

/* Turn what a wait said into what it promised: the message itself where there is one. */
static PyObject *fetch(Port *self, PyObject *news, bool at_once)
{
    if (news == NULL || PyLong_AsLong(news) != RING_MESSAGE)
        return news;
    Py_DECREF(news);
    PyObject *message = port_next(self);
    if (at_once && message != NULL && message != Py_None)
        give_back(&self->port);
    return message;
}

#include "_rounds.h"

static PyObject *port_wait_room(Port *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t timeout_ns;
    if (!argument_count("wait_room", count, 2, 2) || !port_is_usable(self))
        return NULL;
    ring_port *port = &self->port;
    Py_ssize_t length = PyLong_AsSsize_t(arguments[0]);
    if (length == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return NULL;
        PyErr_Clear();
    }
    if (length < 0 || (uint64_t)length > longest_message(port->my_capacity)) {
        PyErr_Format(PyExc_ValueError, "a message of %S bytes never fits: the longest is %llu", arguments[0],
                     (unsigned long long)longest_message(port->my_capacity));
        return NULL;
    }
    if (!timeout_value(arguments[1], &timeout_ns))
        return NULL;
    publish(port); /* nobody could make room by reading what they cannot see */
    enum ring_news news = look_for_room(port, (uint64_t)length);
    if (news != RING_NOTHING)
        return PyLong_FromLong(news);
    if (timeout_ns <= 0)
        return PyLong_FromLong(RING_TIMEOUT);
    return port_wait_without_gil(self, (wait_plan){.want = length, .deadline = deadline_after(now_ns(), timeout_ns)});
}

static PyObject *port_seen(Port *self, PyObject *unused)
{
    (void)unused;
    if (!port_is_usable(self))
        return NULL;
    /* Acquire, as in commanded(): what was sent before this count can be received now. */
    uint32_t commands = load32(self->port.theirs, RING_COMMANDS);
    bool changed = commands != self->port.commands_seen;
    self->port.commands_seen = commands;
    return PyBool_FromLong(changed);
}

static PyObject *port_end(Port *self, PyObject *unused)
{
    (void)unused;
    return port_is_usable(self) ? PyLong_FromUnsignedLongLong(end_ring(&self->port)) : NULL;
}

static PyObject *port_reopen(Port *self, PyObject *unused)
{
    (void)unused;
    if (!port_is_usable(self))
        return NULL;
    self->port.ended = false;
    store64(self->port.mine, RING_END, RING_OPEN_END);
    Py_RETURN_NONE;
}

static PyObject *port_disown(Port *self, PyObject *unused)
{
    (void)unused;
    self->owner = 0;
    Py_RETURN_NONE;
}

static PyObject *port_close(Port *self, PyObject *unused)
{
    (void)unused;
    if (self->waiting) {
        port_is_usable(self);
        return NULL;
    }
    port_release(self);
    Py_RETURN_NONE;
}

static PyObject *port_get_head(Port *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->port.head);
}

static PyObject *port_get_tail(Port *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->port.tail);
}

static PyObject *port_get_asked_at(Port *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->asked_at);
}

static PyObject *port_get_asked_from(Port *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->asked_from);
}

static PyObject *port_get_peer_done(Port *self, void *unused)
{
    (void)unused;
    if (!port_is_usable(self))
        return NULL;
    believe_tail(&self->port);
    return PyLong_FromUnsignedLongLong(self->port.peer_tail);
}

static PyObject *port_get_peer_started(Port *self, void *unused)
{
    (void)unused;
    if (!port_is_usable(self))
        return NULL;
    /* Acquire, pairs with advance(). TAIL is read first: a message finished in between is not called unfinished
       again. */
    believe_tail(&self->port);
    uint64_t started = load64(self->port.theirs, RING_STARTED);
    if (started < self->port.peer_tail)
        started = self->port.peer_tail;
    if (started > self->port.published)
        started = self->port.published;
    return PyLong_FromUnsignedLongLong(started);
}

static PyObject *port_get_limit(Port *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(longest_message(self->port.my_capacity));
}

static PyMethodDef port_methods[] = {
    {"watch", FUNCTION(port_watch), METH_FASTCALL, "From now on wait() returns DEAD when the u64 equals epoch."},
    {"push", FUNCTION(port_push), METH_O, "Copy in, publish, wake. False: no room now."},
    {"stage", FUNCTION(port_stage), METH_O, "push() without publishing."},
    {"restage", FUNCTION(port_restage), METH_O, "stage(), in the place of all that is staged."},
    {"publish", FUNCTION(port_publish), METH_NOARGS, "Publish everything staged."},
    {"pop", FUNCTION(port_pop), METH_NOARGS, "The next message, its room given back at once; None: nothing there."},
    {"peek", FUNCTION(port_peek), METH_NOARGS, "Length of the next message; None: nothing there."},
    {"take", FUNCTION(port_take), METH_NOARGS, "The next message; finish() gives its room back."},
    {"finish", FUNCTION(port_finish), METH_NOARGS, "Everything taken is done."},
    {"wait", FUNCTION(port_wait), METH_FASTCALL, "Spin, then park: DEAD, MESSAGE, COMMAND, ENDED or TIMEOUT."},
    {"exchange", FUNCTION(port_exchange), METH_FASTCALL, "push, wait and pop in one call."},
    {"serve", FUNCTION(port_serve), METH_FASTCALL, "finish, push, wait and take, until something is not a plain call."},
    {"wait_room", FUNCTION(port_wait_room), METH_FASTCALL, "Park until a message of that length fits."},
    {"seen", FUNCTION(port_seen), METH_NOARGS, "Acknowledge COMMANDS; True: it had changed."},
    {"end", FUNCTION(port_end), METH_NOARGS, "Store END, ring the bell; the end position."},
    {"reopen", FUNCTION(port_reopen), METH_NOARGS, "Store END = OPEN_END."},
    {"hear", FUNCTION(port_hear), METH_FASTCALL, "Answer the peer's queries by a function while waiting."},
    {"beside", FUNCTION(port_beside), METH_O, "Other ports whose queries are answered while waiting in this one."},
    {"answer", FUNCTION(port_answer), METH_O, "Answer a query that waits, if one does."},
    {"ask", FUNCTION(port_ask), METH_FASTCALL, "Ask the peer, wait for the answer; None: it did not come in time."},
    {"alarm", FUNCTION(port_alarm), METH_O, "The eventfd of a peer that waits in an event loop; -1: none."},
    {"rest", FUNCTION(port_rest), METH_NOARGS, "Park in an event loop, then look."},
    {"rise", FUNCTION(port_rise), METH_NOARGS, "No longer parked."},
    {"disown", FUNCTION(port_disown), METH_NOARGS, "exchange() is for nobody any more."},
    {"close", FUNCTION(port_close), METH_NOARGS, "Let go of the segments."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef port_getset[] = {
    {"head", (getter)port_get_head, NULL, "Bytes pushed, staged included.", NULL},
    {"tail", (getter)port_get_tail, NULL, "Bytes consumed of the peer's ring.", NULL},
    {"asked_at", (getter)port_get_asked_at, NULL, "time.monotonic_ns() when the last exchange() began.", NULL},
    {"asked_from", (getter)port_get_asked_from, NULL, "`head` when the last exchange() began.", NULL},
    {"peer_done", (getter)port_get_peer_done, NULL, "The peer's TAIL, clamped.", NULL},
    {"peer_started", (getter)port_get_peer_started, NULL, "The peer's STARTED, clamped.", NULL},
    {"limit", (getter)port_get_limit, NULL, "The longest message.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot port_slots[] = {
    {Py_tp_doc, "One party's end of a channel. For one thread."},
    {Py_tp_new, port_new},
    {Py_tp_dealloc, port_dealloc},
    {Py_tp_methods, port_methods},
    {Py_tp_getset, port_getset},
    {0, NULL},
};

static PyType_Spec port_spec = {
    .name = MODULE_NAME ".Port",
    .basicsize = sizeof(Port),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = port_slots,
};

/* --- the module ----------------------------------------------------------------------------------------------------*/

static Segment *segment_argument(PyObject *module, PyObject *object)
{
    module_state *state = PyModule_GetState(module);
    if (Py_IS_TYPE(object, state->Segment))
        return (Segment *)object;
    PyErr_SetString(PyExc_TypeError, "a Segment is needed");
    return NULL;
}

static PyObject *format_segment(PyObject *module, PyObject *argument)
{
    Segment *segment = segment_argument(module, argument);
    if (segment == NULL || !has_control_words(segment) || !segment_is_writable(segment))
        return NULL;
    memset(segment->base, 0, RING_CARD + sizeof(uint32_t)); /* the card's length too: no card */
    store64(segment->base, RING_END, RING_OPEN_END);
    store32(segment->base, RING_CPU, RING_CPU_UNKNOWN);
    /* Release, pairs with ring_capacity(): who sees the magic sees formatted words. */
    store64(segment->base, RING_MAGIC, RING_MAGIC_VALUE);
    Py_RETURN_NONE;
}

/* Acquire, pairs with a worker's release of a pin: who sees it gone fills what it was read from. See shared/views.py. */
static PyObject *words(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (!argument_count("words", count, 2, 2))
        return NULL;
    if (!PyList_Check(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "words() takes a list of segments");
        return NULL;
    }
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < PyList_Size(arguments[0]); i++) {
        Segment *segment = segment_argument(module, PyList_GetItem(arguments[0], i));
        Py_ssize_t offset = segment == NULL ? -1 : segment_offset(segment, arguments[1], sizeof(uint64_t), sizeof(uint64_t));
        uint64_t word = offset < 0 ? 0 : load64(segment->base, (size_t)offset);
        PyObject *number = word == 0 ? NULL : PyLong_FromUnsignedLongLong(word);
        if (offset < 0 || (word != 0 && (number == NULL || PyList_Append(found, number) < 0)))
            Py_CLEAR(found);
        Py_XDECREF(number);
    }
    return found;
}

static PyObject *frames(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    module_state *state = PyModule_GetState(module);
    uint64_t start, stop, capacity;
    if (!argument_count("frames", count, 3, 3))
        return NULL;
    Segment *segment = segment_argument(module, arguments[0]);
    if (segment == NULL || !ring_capacity(segment, "frames()", &capacity) || !ring_formatted(segment, "frames()") ||
        !unsigned_value(arguments[1], UINT64_MAX, &start) || !unsigned_value(arguments[2], UINT64_MAX, &stop))
        return NULL;
    if (start > stop || stop - start > capacity || (start | stop) & 7) {
        PyErr_Format(PyExc_ValueError, "%llu to %llu is no range of a ring of %llu bytes", (unsigned long long)start,
                     (unsigned long long)stop, (unsigned long long)capacity);
        return NULL;
    }
    PyObject *list = PyList_New(0);
    while (list != NULL && start != stop) {
        uint64_t length;
        ring_fault fault;
        if (!frame_at(segment->base + RING_DATA, capacity, start, stop, &length, &fault)) {
            Py_CLEAR(list);
            raise_corrupt(state->Port, &fault);
            break;
        }
        PyObject *message = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
        if (message != NULL)
            copy_out(PyBytes_AsString(message), segment->base + RING_DATA, capacity, start + RING_HEADER,
                     (size_t)length);
        if (message == NULL || PyList_Append(list, message) < 0)
            Py_CLEAR(list);
        Py_XDECREF(message);
        start += frame_size(length);
    }
    return list;
}

static PyObject *py_weigh(PyObject *module, PyObject *data)
{
    (void)module;
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(data, &bytes, &length) < 0)
        return NULL;
    return PyLong_FromLongLong(weigh_message((const unsigned char *)bytes, (size_t)length));
}

static PyObject *py_this_cpu(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromUnsignedLong(this_cpu());
}

static PyMethodDef module_methods[] = {
    {"format_segment", format_segment, METH_O, "Zero the control words and make it a ring's segment."},
    {"frames", FUNCTION(frames), METH_FASTCALL, "Copy out the frames in [start, stop) of a ring nobody writes."},
    {"words", FUNCTION(words), METH_FASTCALL, "The words other than 0 at an offset of each of some segments."},
    {"weigh", py_weigh, METH_O, "Nanoseconds that decoding a msgpack message costs, about; negative: not to be decoded."},
    {"this_cpu", py_this_cpu, METH_NOARGS, "The CPU the caller runs on."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    uint64_t value;
} constants[] = {
    {"MAGIC", RING_MAGIC},
    {"HEAD", RING_HEAD},
    {"TAIL", RING_TAIL},
    {"STARTED", RING_STARTED},
    {"BELL", RING_BELL},
    {"PARKED", RING_PARKED},
    {"CPU", RING_CPU},
    {"END", RING_END},
    {"COMMANDS", RING_COMMANDS},
    {"LIVE", RING_LIVE},
    {"SESSION", RING_SESSION},
    {"INHERITED_START", RING_INHERITED_START},
    {"INHERITED_DONE", RING_INHERITED_DONE},
    {"CARD", RING_CARD},
    {"ASKED", RING_ASKED},
    {"ANSWERED", RING_ANSWERED},
    {"LETTER", RING_LETTER},
    {"RING", RING_DATA},
    {"CHECK", RING_CHECK},
    {"OPEN_END", RING_OPEN_END},
    {"TIMEOUT", RING_TIMEOUT},
    {"MESSAGE", RING_MESSAGE},
    {"COMMAND", RING_COMMAND},
    {"ENDED", RING_ENDED},
    {"DEAD", RING_DEAD},
    {"QUERY", RING_QUERY},
};

static int exec_module(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        PyObject *value = PyLong_FromUnsignedLongLong(constants[i].value);
        int failed = PyModule_AddObjectRef(module, constants[i].name, value); /* NULL: keeps the error */
        Py_XDECREF(value);
        if (failed)
            return -1;
    }
    state->CorruptRing = PyErr_NewExceptionWithDoc(
        MODULE_NAME ".CorruptRing", "Raised when the peer's cursors or a frame of theirs cannot be true.", NULL, NULL);
    if (PyModule_AddObjectRef(module, "CorruptRing", state->CorruptRing) < 0)
        return -1;
    state->Segment = (PyTypeObject *)PyType_FromModuleAndSpec(module, &segment_spec, NULL);
    if (state->Segment == NULL || PyModule_AddType(module, state->Segment) < 0)
        return -1;
    state->Port = (PyTypeObject *)PyType_FromModuleAndSpec(module, &port_spec, NULL);
    if (state->Port == NULL || PyModule_AddType(module, state->Port) < 0)
        return -1;
    return 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
    Py_VISIT(state->CorruptRing);
    Py_VISIT(state->Segment);
    Py_VISIT(state->Port);
    return 0;
}

static int module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->CorruptRing);
    Py_CLEAR(state->Segment);
    Py_CLEAR(state->Port);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

#endif /* __linux__ */

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, exec_module},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_ring",
    .m_doc = "Rings in shared memory between parties that do not trust each other.",
    .m_methods = module_methods,
    .m_slots = module_slots,
#ifdef __linux__
    .m_size = sizeof(module_state),
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
#endif
};

PyMODINIT_FUNC PyInit__ring(void)
{
    return PyModuleDef_Init(&module_definition);
}
