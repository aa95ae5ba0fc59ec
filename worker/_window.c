/* fumehood.worker._window: a part of a view's memory, mapped for reading. The contract is in _window.pyi.

   Arrays lie straight on it: numpy keeps a reference to what it lies on and no Py_buffer, so the mapping goes when the
   object does, and never before. */

#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mremap */
#endif
#include <Python.h>

#define MODULE_NAME "fumehood.worker._window"

#ifndef __linux__

static int exec_module(PyObject *module)
{
    (void)module;
    PyErr_SetString(PyExc_ImportError, "fumehood's shared memory needs Linux; on Windows use WSL2, on macOS a container");
    return -1;
}

#else

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

typedef struct {
    PyObject_HEAD
    unsigned char *base;
    size_t size;
    bool kept; /* its pages are the worker's own by now */
} Window;

static PyObject *window_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", "offset", "size", NULL};
    int fd;
    Py_ssize_t offset, size;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "inn:Window", names, &fd, &offset, &size))
        return NULL;
    if (size <= 0 || offset < 0) {
        PyErr_SetString(PyExc_ValueError, "a window has a size and begins within the file");
        return NULL;
    }
    void *base = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    if (base == MAP_FAILED)
        return PyErr_SetFromErrno(PyExc_OSError);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Window *self = (Window *)alloc(type, 0);
    if (self == NULL) {
        munmap(base, (size_t)size);
        return NULL;
    }
    self->base = base;
    self->size = (size_t)size;
    self->kept = false;
    return (PyObject *)self;
}

static void window_dealloc(Window *self)
{
    PyTypeObject *type = Py_TYPE(self);
    munmap(self->base, self->size);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static int window_buffer(Window *self, Py_buffer *view, int flags)
{
    return PyBuffer_FillInfo(view, (PyObject *)self, self->base, (Py_ssize_t)self->size, 1, flags);
}

/* The place of an aligned word of `width` bytes; NULL with ValueError when there is none. */
static const unsigned char *word_at(Window *self, PyObject *argument, size_t width)
{
    size_t offset = PyLong_AsSize_t(argument);
    if (offset == (size_t)-1 && PyErr_Occurred())
        return NULL;
    if (offset % width != 0 || self->size < width || offset > self->size - width) {
        PyErr_Format(PyExc_ValueError, "there is no word of %zu bytes at %zu", width, offset);
        return NULL;
    }
    return self->base + offset;
}

/* Acquire, pairs with the game's release store of CURRENT: who sees the word sees the buffer that it names. */
static PyObject *window_load64(Window *self, PyObject *argument)
{
    const unsigned char *word = word_at(self, argument, sizeof(uint64_t));
    return word == NULL ? NULL
                        : PyLong_FromUnsignedLongLong(atomic_load_explicit((const _Atomic uint64_t *)word,
                                                                           memory_order_acquire));
}

static PyObject *window_load32(Window *self, PyObject *argument)
{
    const unsigned char *word = word_at(self, argument, sizeof(uint32_t));
    return word == NULL ? NULL
                        : PyLong_FromUnsignedLong(atomic_load_explicit((const _Atomic uint32_t *)word,
                                                                       memory_order_acquire));
}

static PyObject *window_read(Window *self, PyObject *args)
{
    Py_ssize_t offset, length;
    if (!PyArg_ParseTuple(args, "nn:read", &offset, &length))
        return NULL;
    if (offset < 0 || length < 0 || (size_t)offset > self->size || (size_t)length > self->size - (size_t)offset) {
        PyErr_SetString(PyExc_ValueError, "the window is smaller");
        return NULL;
    }
    return PyBytes_FromStringAndSize((const char *)self->base + offset, length);
}

/* Put private pages with the same bytes where the shared ones were, in one step, so that whoever lies on them sees no
   difference. Anonymous memory, and not a private mapping of the file: that would keep the whole file in memory. */
static PyObject *window_keep(Window *self, PyObject *argument)
{
    size_t used = PyLong_AsSize_t(argument);
    if (used == (size_t)-1 && PyErr_Occurred())
        return NULL;
    if (used > self->size) {
        PyErr_SetString(PyExc_ValueError, "more is used than there is");
        return NULL;
    }
    if (self->kept)
        Py_RETURN_NONE;
    void *own = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED)
        return PyErr_NoMemory();
    memcpy(own, self->base, used);
    if (mprotect(own, self->size, PROT_READ) < 0 ||
        mremap(own, self->size, self->size, MREMAP_MAYMOVE | MREMAP_FIXED, self->base) == MAP_FAILED) {
        munmap(own, self->size);
        return PyErr_NoMemory();
    }
    self->kept = true;
    Py_RETURN_NONE;
}

static PyMethodDef window_methods[] = {
    {"load64", (PyCFunction)window_load64, METH_O, "One acquire load of a u64."},
    {"load32", (PyCFunction)window_load32, METH_O, "One acquire load of a u32."},
    {"read", (PyCFunction)window_read, METH_VARARGS, "Copy bytes out."},
    {"keep", (PyCFunction)window_keep, METH_O, "Make its pages the worker's own, with the bytes they have now."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot window_slots[] = {
    {Py_tp_doc, "Memory of a view, mapped for reading: see _window.pyi."},
    {Py_tp_new, (void *)window_new},
    {Py_tp_dealloc, (void *)window_dealloc},
    {Py_tp_methods, window_methods},
    {Py_bf_getbuffer, (void *)window_buffer},
    {0, NULL},
};

static PyType_Spec window_spec = {
    .name = MODULE_NAME ".Window",
    .basicsize = sizeof(Window),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = window_slots,
};

static int exec_module(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &window_spec, NULL);
    if (type == NULL)
        return -1;
    int added = PyModule_AddObjectRef(module, "Window", type);
    Py_DECREF(type);
    return added;
}

#endif

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, (void *)exec_module}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = MODULE_NAME,
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__window(void);
PyMODINIT_FUNC PyInit__window(void)
{
    return PyModuleDef_Init(&module_definition);
}
