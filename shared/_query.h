/* Queries: a worker asks in the middle of a handler, and the game answers in the middle of its wait. Included by _ring.c.

   Both are letters: one a direction, at a place of its own, so that neither waits behind the messages in a ring: behind
   posts nobody has read an answer would never come. One number and length in one word say which letter lies there.

   The asker is not trusted: its word is loaded once, its bytes are copied out before anyone looks at them, and if the
   word has changed by then they are thrown away. How many of its queries are heard is bounded for each request; those
   beyond simply wait. Who does not wait any more withdraws its query before it writes anything else there.

   A query in hand counts as answered: who answers may wait for other peers, and must not hear it again in that. */

/* Answer the query that waits in `asker`, if it still does. false: with an exception, of who answers. */
static bool answer_query(Port *asker, uint64_t deadline)
{
    ring_port *port = &asker->port;
    if (asker->on_query == NULL || !query_waits(port))
        return true;
    uint64_t word = load64(port->theirs, RING_ASKED);
    uint32_t number = (uint32_t)(word >> 32);
    size_t length = word & UINT32_MAX;
    if (number == port->answered || length == RING_WITHDRAWN)
        return true;
    port->allowed--;
    port->answered = number;
    if (length > RING_LETTER_SIZE)
        length = 0; /* a lie: nothing is no query, and is answered so */
    PyObject *query = PyBytes_FromStringAndSize((const char *)port->theirs + RING_LETTER, (Py_ssize_t)length);
    if (query == NULL)
        return false;
    atomic_thread_fence(memory_order_acquire);
    if (load64(port->theirs, RING_ASKED) != word) { /* it gave that one up */
        Py_DECREF(query);
        return true;
    }
    PyObject *function = Py_NewRef(asker->on_query), *until = PyLong_FromUnsignedLongLong(deadline);
    Py_INCREF((PyObject *)asker);
    PyObject *answer = until != NULL ? PyObject_CallFunctionObjArgs(function, query, until, NULL) : NULL;
    Py_XDECREF(until);
    Py_DECREF(function);
    Py_DECREF(query);
    char *bytes;
    Py_ssize_t size;
    bool ok = answer != NULL && PyBytes_AsStringAndSize(answer, &bytes, &size) == 0;
    if (ok && size > RING_LETTER_SIZE) {
        PyErr_Format(PyExc_ValueError, "an answer of %zd bytes is longer than %d", size, RING_LETTER_SIZE);
        ok = false;
    }
    /* Who answered may have closed the port; or answered a later query, if this one was withdrawn meanwhile. */
    if (ok && asker->mine != NULL && port->answered == number)
        send_letter(port, RING_ANSWERED, number, bytes, (size_t)size);
    Py_XDECREF(answer);
    Py_DECREF((PyObject *)asker);
    return ok;
}

static PyObject *port_hear(Port *self, PyObject *const *arguments, Py_ssize_t count)
{
    uint64_t most;
    if (!argument_count("hear", count, 2, 2) || !port_is_usable(self) || !unsigned_value(arguments[1], UINT32_MAX, &most))
        return NULL;
    PyObject *before = self->on_query;
    self->on_query = arguments[0] == Py_None ? NULL : Py_NewRef(arguments[0]);
    self->port.most = self->port.allowed = self->on_query == NULL ? 0 : (uint32_t)most;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

static PyObject *port_beside(Port *self, PyObject *others)
{
    if (!port_is_usable(self))
        return NULL;
    if (!PyTuple_Check(others)) {
        PyErr_SetString(PyExc_TypeError, "beside() takes a tuple of ports");
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(others);
    ring_port **ports = count > 0 ? PyMem_Malloc((size_t)count * sizeof *ports) : NULL;
    size_t used = 0;
    if (count > 0 && ports == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *other = PyTuple_GetItem(others, i);
        if (!Py_IS_TYPE(other, Py_TYPE((PyObject *)self))) {
            PyMem_Free(ports);
            PyErr_SetString(PyExc_TypeError, "beside() takes a tuple of ports");
            return NULL;
        }
        if (other != (PyObject *)self)
            ports[used++] = &((Port *)other)->port;
    }
    forget_others(self);
    self->others = count > 0 ? Py_NewRef(others) : NULL;
    self->port.others = ports;
    self->port.others_count = used;
    Py_RETURN_NONE;
}

static PyObject *port_answer(Port *self, PyObject *deadline)
{
    uint64_t until;
    if (!port_is_usable(self) || !unsigned_value(deadline, UINT64_MAX, &until))
        return NULL;
    if (!query_waits(&self->port))
        Py_RETURN_FALSE;
    if (!answer_query(self, until))
        return NULL;
    Py_RETURN_TRUE;
}

/* The last query is not waited for any more. The fence: who copies its bytes, and sees any of the next one's among them,
   sees this word as well. */
static void withdraw(ring_port *port)
{
    store64(port->mine, RING_ASKED, (uint64_t)port->asked << 32 | RING_WITHDRAWN);
    atomic_thread_fence(memory_order_seq_cst);
}

/* The asker's side. Polls whatever polling has brought so far: who answers is waiting for us, and awake. */
static PyObject *port_ask(Port *self, PyObject *const *arguments, Py_ssize_t count)
{
    char *bytes;
    Py_ssize_t length;
    int64_t timeout_ns;
    if (!argument_count("ask", count, 2, 2) || !port_is_usable(self) ||
        PyBytes_AsStringAndSize(arguments[0], &bytes, &length) < 0 || !timeout_value(arguments[1], &timeout_ns))
        return NULL;
    if (length > RING_LETTER_SIZE) {
        PyErr_Format(PyExc_ValueError, "a query of %zd bytes is longer than %d", length, RING_LETTER_SIZE);
        return NULL;
    }
    ring_port *port = &self->port;
    send_letter(port, RING_ASKED, ++port->asked, bytes, (size_t)length);
    wait_plan plan = {.want = RING_WANT_ANSWER};
    uint64_t now = now_ns();
    plan.deadline = deadline_after(now, timeout_ns);
    enum ring_news news = look_for_answer(port);
    if (news == RING_NOTHING && port->spin_ns != 0)
        news = spin(port, RING_WANT_ANSWER, earlier(now + earlier(port->spin_ns, RING_HOLD_GIL_NS), plan.deadline));
    if (news == RING_NOTHING) {
        plan.poll_until = port->spin_ns != 0 ? earlier(now + port->spin_ns, plan.deadline) : 0;
        PyObject *waited = port_wait_without_gil(self, plan);
        if (waited == NULL) {
            if (self->mine != NULL)
                withdraw(port);
            return NULL;
        }
        news = (enum ring_news)PyLong_AsLong(waited);
        Py_DECREF(waited);
    }
    port->woke_peer = false;
    uint64_t word = load64(port->theirs, RING_ANSWERED);
    if (news != RING_MESSAGE || (uint32_t)(word >> 32) != port->asked) {
        withdraw(port);
        Py_RETURN_NONE;
    }
    size_t size = word & UINT32_MAX;
    return PyBytes_FromStringAndSize((const char *)port->theirs + RING_LETTER,
                                     (Py_ssize_t)(size < RING_LETTER_SIZE ? size : RING_LETTER_SIZE));
}
