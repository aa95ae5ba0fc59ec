/* Waiting in an event loop: the game's thread sleeps in epoll on an eventfd a mod, and no futex. Included by _ring.c.

   The Dekker pair is the one at the top of _ring.h. port_rest() is the sleeper's half, with PARKED = RING_PARKED_LOOP;
   wake_if_parked() and send_letter() are the publisher's: who finds that word writes to its eventfd in place of a bell.

   PARKED stays set while the loop is awake, so a worker may write once too often, and never once too seldom: what it
   publishes after the eventfd was read, it announces behind that.

   The worker has the eventfd too. It may write to it for ever, or read it empty, which harms its own mod alone: the
   game's deadlines hang on neither (runner/pacing.py). It is non-blocking, and seccomp lets nobody change that. */

static PyObject *port_alarm(Port *self, PyObject *descriptor)
{
    if (!port_is_usable(self))
        return NULL;
    long fd = PyLong_AsLong(descriptor);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    if (fd < -1 || fd > INT_MAX) {
        PyErr_SetString(PyExc_ValueError, "alarm() takes a descriptor, or -1");
        return NULL;
    }
    self->port.alarm = (int)fd;
    Py_RETURN_NONE;
}

static PyObject *port_rest(Port *self, PyObject *unused)
{
    (void)unused;
    if (!port_is_usable(self))
        return NULL;
    ring_port *port = &self->port;
    publish_cpu(port, this_cpu() | RING_CPU_ASLEEP);
    atomic_store_explicit(word32(port->mine, RING_PARKED), RING_PARKED_LOOP, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    enum ring_news news = look(port);
    if (news == RING_CORRUPT)
        return raise_corrupt(Py_TYPE((PyObject *)self), &port->fault);
    return PyLong_FromLong(news == RING_NOTHING ? RING_TIMEOUT : news);
}

static PyObject *port_rise(Port *self, PyObject *unused)
{
    (void)unused;
    if (!port_is_usable(self))
        return NULL;
    atomic_store_explicit(word32(self->port.mine, RING_PARKED), RING_AWAKE, memory_order_relaxed);
    Py_RETURN_NONE;
}
