/* fumehood.worker.confine._calls: system calls prepared beforehand, made one after the other; here, or in a new fork
   before it runs any Python. The contract is in _calls.pyi.

   A fork shares every page of its parent until one of the two writes to it, and Python writes wherever it reads: it
   counts references. Each page written first is a fault and a copy, about 2 us on a virtual machine. So the list by
   which a worker confines itself is made ready by the zygote and walked through here, where it touches one stack. */

#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include <Python.h>

#define MODULE_NAME "fumehood.worker.confine._calls"

#ifndef __linux__

static int exec_module(PyObject *module)
{
    (void)module;
    PyErr_SetString(PyExc_ImportError, "fumehood's confinement needs Linux; on Windows use WSL2, on macOS a container");
    return -1;
}

static PyMethodDef module_methods[] = {{NULL, NULL, 0, NULL}};

#else

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

enum { MOST_CALLS = 64, MOST_ARGUMENTS = 6 };

/* Milliseconds that the parent leaves its CPU to the child, if nobody asks for another: about what the list takes. Less:
   they get in each other's way; more: the parent's own work is put off. */
enum { HEAD_START = 1 };

typedef struct {
    const char *step, *name;
    long number;
    long arguments[MOST_ARGUMENTS];
    bool zero; /* a positive result is a failure too */
} Call;

typedef struct {
    Py_ssize_t count;
    Call calls[MOST_CALLS];
    char *times; /* where the time before each is put; NULL: nowhere */
} List;

static void note_time(char *place)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
    memcpy(place, &ns, sizeof ns);
}

/* One argument: an int, or the memory of a bytes or bytearray, which whoever holds the list keeps alive. */
static int read_argument(PyObject *given, long *argument)
{
    if (PyLong_Check(given)) {
        *argument = PyLong_AsLong(given);
        return *argument == -1 && PyErr_Occurred() ? -1 : 0;
    }
    char *memory;
    if (PyBytes_Check(given))
        memory = PyBytes_AsString(given);
    else if (PyByteArray_Check(given))
        memory = PyByteArray_AsString(given);
    else {
        PyErr_SetString(PyExc_TypeError, "an argument of a call is an int, bytes or bytearray");
        return -1;
    }
    *argument = (long)memory;
    return memory == NULL ? -1 : 0;
}

static int read_list(PyObject *given, List *list)
{
    list->count = PyTuple_Size(given);
    if (list->count < 0)
        return -1;
    if (list->count > MOST_CALLS) {
        PyErr_Format(PyExc_ValueError, "%zd calls are more than %d", list->count, MOST_CALLS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < list->count; i++) {
        Call *call = &list->calls[i];
        PyObject *item = PyTuple_GetItem(given, i), *arguments;
        int zero;
        memset(call, 0, sizeof *call);
        if (!PyTuple_Check(item)) {
            PyErr_SetString(PyExc_TypeError, "a call is a tuple");
            return -1;
        }
        if (!PyArg_ParseTuple(item, "sslO!p", &call->step, &call->name, &call->number, &PyTuple_Type, &arguments, &zero))
            return -1;
        call->zero = zero;
        Py_ssize_t count = PyTuple_Size(arguments);
        if (count > MOST_ARGUMENTS) {
            PyErr_Format(PyExc_ValueError, "%zd arguments are more than %d", count, MOST_ARGUMENTS);
            return -1;
        }
        for (Py_ssize_t k = 0; k < count; k++)
            if (read_argument(PyTuple_GetItem(arguments, k), &call->arguments[k]) < 0)
                return -1;
    }
    return 0;
}

/* Make them. NULL, or the one that failed, with its errno in *error: 0 when it succeeded with an unwanted result. */
static const Call *make(List *list, int *error)
{
    for (Py_ssize_t i = 0; i < list->count; i++) {
        const Call *call = &list->calls[i];
        const long *a = call->arguments;
        if (list->times != NULL)
            note_time(list->times + i * (Py_ssize_t)sizeof(int64_t));
        long result = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (result < 0 || (call->zero && result != 0)) {
            *error = result < 0 ? errno : 0;
            return call;
        }
    }
    return NULL;
}

static const char *why(int error)
{
    return error == 0 ? "not the result that was wanted" : strerror(error);
}

static PyObject *os_error(const char *name, int error)
{
    PyObject *about = Py_BuildValue("(iN)", error, PyUnicode_FromFormat("%s: %s", name, why(error)));
    if (about != NULL) {
        PyErr_SetObject(PyExc_OSError, about);
        Py_DECREF(about);
    }
    return NULL;
}

static PyObject *run(PyObject *module, PyObject *calls)
{
    (void)module;
    List list;
    if (!PyTuple_Check(calls))
        return PyErr_Format(PyExc_TypeError, "calls is a tuple");
    if (read_list(calls, &list) < 0)
        return NULL;
    list.times = NULL;
    int error;
    const Call *failed = make(&list, &error);
    if (failed == NULL)
        Py_RETURN_NONE;
    return os_error(failed->name, error);
}

/* In the child: what cannot be done ends it, and is said on `errors`. */
static void make_or_end(List *list, int errors, int status)
{
    int error;
    const Call *failed = make(list, &error);
    if (failed == NULL)
        return;
    const char *text = "the confinement failed at %s, %s: %s\n";
    if (dprintf(errors, text, failed->step, failed->name, why(error)) < 0)
        dprintf(2, text, failed->step, failed->name, why(error)); /* the list has moved it there already */
    _exit(status);
}

/* In the parent: send the word with the child's pidfd. Whether it went. */
static bool tell(int channel, char *word, Py_ssize_t length, int pidfd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {word, (size_t)length};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pidfd, sizeof(int));
    return sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == length;
}

static PyObject *fork_(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long flags;
    PyObject *calls, *times;
    int errors, status, channel, pidfd = -1;
    char *word;
    Py_ssize_t length;
    List list;
    if (!PyArg_ParseTuple(args, "kO!O!iiiy#:fork", &flags, &PyTuple_Type, &calls, &PyByteArray_Type, &times, &errors,
                          &status, &channel, &word, &length))
        return NULL;
    if (read_list(calls, &list) < 0)
        return NULL;
    Py_ssize_t room = PyByteArray_Size(times), needed = list.count * (Py_ssize_t)sizeof(int64_t);
    if (room < needed) {
        PyErr_Format(PyExc_ValueError, "the times of %zd calls do not go into %zd bytes", list.count, room);
        return NULL;
    }
    list.times = PyByteArray_AsString(times) + room - needed;
    PyOS_BeforeFork();
    /* By number, since the C library's fork takes no flags. Its own handlers do not run then; in a process with one
       thread they have no lock to save. */
    long pid = syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, 0L, &pidfd, 0L, 0L);
    int error = errno;
    if (pid != 0) {
        bool told = pid > 0 && channel >= 0 && tell(channel, word, length, pidfd);
        if (told) {
            struct pollfd next = {.fd = channel, .events = POLLIN};
            poll(&next, 1, HEAD_START);
        }
        PyOS_AfterFork_Parent();
        if (pid < 0)
            return os_error("fork", error);
        return Py_BuildValue("(liO)", pid, pidfd, told ? Py_True : Py_False);
    }
    make_or_end(&list, errors, status);
    PyOS_AfterFork_Child();
    return Py_BuildValue("(iiO)", 0, -1, Py_False);
}

static PyMethodDef module_methods[] = {
    {"run", run, METH_O, NULL},
    {"fork", fork_, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int exec_module(PyObject *module)
{
    (void)module;
    return 0;
}

#endif

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, (void *)exec_module}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = MODULE_NAME,
    .m_size = 0,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__calls(void);
PyMODINIT_FUNC PyInit__calls(void)
{
    return PyModuleDef_Init(&module_definition);
}
