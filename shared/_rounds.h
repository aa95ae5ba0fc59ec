/* Whole rounds in one crossing from Python. Included by _ring.c.

   The caller's, exchange(): push, wait, pop; and what a game asks around each call anyway, whether this thread may,
   whether the board has changed, and whether what came is the answer to just this call.

   The server's, serve(). A worker that answers one call after another spends more time in the interpreter between two
   handlers than in its ring. So as long as calls are plain they are answered here: take a Call, find its handler, decode
   its arguments, call it, pack its value, push the answer, wait for the next. Whatever is not plain, a failure of any
   kind first of all, is handed to Python as it stands: worker/serving.py and answers.py know the rest.

   What is known of the messages is little: a Call is [tag, id, event, arguments], a Value [tag, id, value]; how the two
   begin is passed in. Lengths are checked on both sides. */

/* Length of the msgpack unsigned integer at `at`; 0: there is none, or it is cut off. */
static size_t length_of_number(const unsigned char *bytes, size_t at, size_t end)
{
    if (at >= end)
        return 0;
    unsigned char first = bytes[at];
    size_t length = first < 0x80 ? 1 : first >= 0xCC && first <= 0xCF ? 1 + ((size_t)1 << (first - 0xCC)) : 0;
    return length <= end - at ? length : 0;
}

/* --- the caller's --------------------------------------------------------------------------------------------------*/

enum { LONGEST_HEAD = 2 + 9 };

/* If the next message is the Value that answers `request`, take it and return what follows its head: the packed value.
   NULL without an exception: it is something else, and was not taken. */
static PyObject *take_answer(Port *self, PyObject *request, PyObject *value_head)
{
    const unsigned char *asked = (const unsigned char *)PyBytes_AsString(request);
    size_t id_length = length_of_number(asked, 2, (size_t)PyBytes_Size(request)), head_length = 2 + id_length;
    unsigned char head[LONGEST_HEAD];
    uint64_t length;
    if (id_length == 0 || !port_measure(self, &length) || length <= head_length)
        return NULL;
    read_frame(&self->port, 0, head, head_length);
    if (memcmp(head, PyBytes_AsString(value_head), 2) != 0 || memcmp(head + 2, asked + 2, id_length) != 0)
        return NULL;
    PyObject *value = port_take_measured(self, length, head_length);
    if (value != NULL)
        give_back(&self->port);
    return value;
}

static PyObject *port_exchange(Port *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t timeout_ns;
    uint64_t generation = 0;
    if (!argument_count("exchange", count, 2, 4) || !timeout_value(arguments[1], &timeout_ns))
        return NULL;
    PyObject *value_head = count > 2 ? arguments[count - 1] : NULL;
    if (value_head != NULL && (count != 4 || !PyBytes_Check(value_head) || PyBytes_Size(value_head) != 2)) {
        PyErr_SetString(PyExc_TypeError, "exchange() takes a generation and the two bytes a Value begins with, or neither");
        return NULL;
    }
    if (value_head != NULL && !unsigned_value(arguments[2], UINT32_MAX, &generation))
        return NULL;
    if (self->owner != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_RuntimeError, "exchange() is for the thread that made the port");
        return NULL;
    }
    self->asked_at = now_ns();
    self->asked_from = self->port.head;
    int staged = port_stage_bytes(self, arguments[0]);
    if (staged < 0)
        return NULL;
    publish(&self->port); /* as in port_push */
    if (staged == 0)
        return Py_NewRef(Py_None);
    PyObject *news = wait_from(self, timeout_ns, true, self->asked_at);
    if (value_head == NULL)
        return fetch(self, news, true);
    if (news != NULL && PyLong_AsLong(news) == RING_MESSAGE && self->port.board != NULL &&
        load32(self->port.board, 0) == generation) {
        PyObject *value = take_answer(self, arguments[0], value_head);
        if (value != NULL || PyErr_Occurred()) {
            Py_DECREF(news);
            return value;
        }
    }
    PyObject *message = fetch(self, news, true);
    if (message == NULL || !PyBytes_CheckExact(message))
        return message;
    PyObject *single = PyTuple_Pack(1, message);
    Py_DECREF(message);
    return single;
}

/* --- the server's --------------------------------------------------------------------------------------------------*/

enum { ROUNDS_WATCHED = 4 };

typedef struct {
    const char *call_head, *value_head; /* 2 bytes each: the array's length, the tag */
    PyObject *table, *decode, *pack;    /* event to handler; arguments from msgpack; a value to msgpack */
    PyObject *watched[ROUNDS_WATCHED];  /* containers: Python has something to do once one is not empty */
} rounds;

/* All borrowed from the tuple, which the caller of serve() holds. */
static bool rounds_from(PyObject *plain, rounds *given)
{
    PyObject *call_head, *value_head;
    Py_ssize_t length;
    char *bytes;
    if (!PyTuple_Check(plain)) {
        PyErr_SetString(PyExc_TypeError, "serve() takes a tuple that says what is plain");
        return false;
    }
    given->watched[3] = NULL; /* it may be left out */
    if (!PyArg_ParseTuple(plain, "O!O!O!OOOOO|O", &PyBytes_Type, &call_head, &PyBytes_Type, &value_head, &PyDict_Type,
                          &given->table, &given->decode, &given->pack, &given->watched[0], &given->watched[1],
                          &given->watched[2], &given->watched[3]))
        return false;
    if (PyBytes_AsStringAndSize(call_head, &bytes, &length) < 0 || length != 2 || PyBytes_Size(value_head) != 2) {
        PyErr_SetString(PyExc_ValueError, "a message begins with two bytes: an array of so many, and a tag");
        return false;
    }
    given->call_head = bytes;
    given->value_head = PyBytes_AsString(value_head);
    return true;
}

typedef struct {
    size_t id_length;   /* of the id, which begins behind the head */
    const char *event;  /* not terminated */
    size_t event_length;
    size_t arguments;   /* where they begin */
} plain_call;

static bool parse_call(const rounds *given, const unsigned char *bytes, size_t end, plain_call *call)
{
    if (end < 4 || memcmp(bytes, given->call_head, 2) != 0)
        return false;
    call->id_length = length_of_number(bytes, 2, end);
    size_t at = 2 + call->id_length;
    if (call->id_length == 0 || at >= end)
        return false;
    if ((bytes[at] & 0xE0) == 0xA0)
        call->event_length = bytes[at++] & 0x1F;
    else if (bytes[at] == 0xD9 && end - at >= 2) {
        call->event_length = bytes[at + 1];
        at += 2;
    } else
        return false;
    if (call->event_length >= end - at)
        return false;
    call->event = (const char *)bytes + at;
    call->arguments = at + call->event_length;
    return true;
}

/* The handler, borrowed; NULL without an exception when there is none, or the name is no text. */
static PyObject *handler_of(const rounds *given, const plain_call *call)
{
    PyObject *event = PyUnicode_DecodeUTF8(call->event, (Py_ssize_t)call->event_length, "strict");
    PyObject *handler = event != NULL ? PyDict_GetItemWithError(given->table, event) : NULL;
    Py_XDECREF(event);
    PyErr_Clear();
    return handler;
}

/* The arguments as a tuple; NULL with the exception of decoding them. */
static PyObject *arguments_of(const rounds *given, const unsigned char *bytes, size_t length)
{
    PyObject *packed = PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)length);
    PyObject *decoded = packed != NULL ? PyObject_CallFunctionObjArgs(given->decode, packed, NULL) : NULL;
    Py_XDECREF(packed);
    if (decoded == NULL || PyTuple_CheckExact(decoded))
        return decoded;
    PyObject *arguments = PySequence_Tuple(decoded);
    Py_DECREF(decoded);
    return arguments;
}

/* What went wrong, as serve() returns it: (message, handler, exception), and the value behind it if it came to one.
   Steals all three. NULL for MemoryError, which ends the worker: nothing that follows could be trusted to work. */
static PyObject *failed_round(PyObject *message, PyObject *handler, PyObject *value)
{
    PyObject *result = NULL;
    if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyObject *type, *error, *traceback;
        PyErr_Fetch(&type, &error, &traceback);
        PyErr_NormalizeException(&type, &error, &traceback);
        if (traceback != NULL)
            PyException_SetTraceback(error, traceback);
        result = value == NULL ? PyTuple_Pack(3, message, handler, error)
                               : PyTuple_Pack(4, message, handler, error, value);
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
    }
    Py_DECREF(message);
    Py_DECREF(handler);
    Py_XDECREF(value);
    return result;
}

/* Stage [head, id, value] without putting it together first. 1, or 0: no room. `value` fits a message. */
static int stage_value(ring_port *port, const rounds *given, const unsigned char *message, const plain_call *call,
                       const char *value, size_t length)
{
    size_t head = 2 + call->id_length, total = head + length;
    if (!fits(port, total))
        return 0;
    unsigned char *data = port->mine + RING_DATA;
    uint64_t header = frame_header(port->head, total), at = port->head + RING_HEADER;
    copy_in(data, port->my_capacity, port->head, &header, sizeof header);
    copy_in(data, port->my_capacity, at, given->value_head, 2);
    copy_in(data, port->my_capacity, at + 2, message + 2, call->id_length);
    copy_in(data, port->my_capacity, at + head, value, length);
    port->head += frame_size(total);
    return 1;
}

static bool something_waits(const rounds *given)
{
    for (int i = 0; i < ROUNDS_WATCHED; i++)
        if (given->watched[i] != NULL && PyObject_Size(given->watched[i]) != 0) {
            PyErr_Clear();
            return true;
        }
    return false;
}

/* Answer one message. NULL with no exception: it was plain, and is answered. Else what serve() returns, or NULL with an
   exception. Steals the message. */
static PyObject *one_round(Port *self, const rounds *given, PyObject *message)
{
    ring_port *port = &self->port;
    const unsigned char *bytes = (const unsigned char *)PyBytes_AsString(message);
    size_t end = (size_t)PyBytes_Size(message);
    plain_call call;
    if (!parse_call(given, bytes, end, &call))
        return message;
    PyObject *handler = handler_of(given, &call);
    if (handler == NULL)
        return message;
    Py_INCREF(handler);
    PyObject *arguments = arguments_of(given, bytes + call.arguments, end - call.arguments);
    if (arguments == NULL) {
        Py_DECREF(handler);
        if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
            Py_DECREF(message);
            return NULL;
        }
        PyErr_Clear(); /* Python decodes it once more, and says what is wrong with it */
        return message;
    }
    PyObject *value = PyObject_Call(handler, arguments, NULL);
    Py_DECREF(arguments);
    if (value == NULL)
        return failed_round(message, handler, NULL);
    PyObject *packed = PyObject_CallFunctionObjArgs(given->pack, value, NULL);
    if (packed == NULL || !PyBytes_CheckExact(packed)) {
        if (packed != NULL) {
            Py_DECREF(packed);
            PyErr_SetString(PyExc_TypeError, "a packed value is bytes");
        }
        return failed_round(message, handler, value);
    }
    Py_DECREF(value);
    size_t length = (size_t)PyBytes_Size(packed), total = 2 + call.id_length + length;
    PyObject *result = NULL;
    if (!port_is_usable(self)) /* the handler may have closed it: an exception is set */
        ;
    else if (port->ended)
        PyErr_SetString(PyExc_ValueError, "the ring was ended; reopen() it first");
    else if (total > longest_message(port->my_capacity))
        result = Py_BuildValue("OOOn", message, handler, Py_None, (Py_ssize_t)total);
    else {
        give_back(port); /* as in port_serve */
        if (stage_value(port, given, bytes, &call, PyBytes_AsString(packed), length))
            publish(port);
        else {
            result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total);
            if (result != NULL) {
                char *whole = PyBytes_AsString(result);
                memcpy(whole, given->value_head, 2);
                memcpy(whole + 2, bytes + 2, call.id_length);
                memcpy(whole + 2 + call.id_length, PyBytes_AsString(packed), length);
                PyObject *pair = PyTuple_Pack(2, Py_None, result);
                Py_DECREF(result);
                result = pair;
            }
        }
    }
    Py_DECREF(packed);
    Py_DECREF(handler);
    Py_DECREF(message);
    return result;
}

/* Finish the message before, push its answer, wait for the next, take it; again while it is a plain call. */
static PyObject *port_serve(Port *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t timeout_ns;
    rounds given;
    if (!argument_count("serve", count, 3, 3) || !timeout_value(arguments[1], &timeout_ns) || !port_is_usable(self) ||
        !rounds_from(arguments[2], &given))
        return NULL;
    ring_port *port = &self->port;
    give_back(port); /* before the push: a server that waits for room is idle, not at work */
    if (arguments[0] != Py_None) {
        int staged = port_stage_bytes(self, arguments[0]);
        if (staged <= 0)
            return staged < 0 ? NULL : Py_NewRef(Py_None);
        publish(port);
    }
    for (;;) {
        if (commanded(port)) /* before the next message: a full ring must not keep commands from being heard */
            return PyLong_FromLong(RING_COMMAND);
        PyObject *news = wait_from(self, timeout_ns, true, 0);
        if (news != NULL && commanded(port)) { /* both found us asleep: what was commanded first holds for the message */
            Py_DECREF(news);
            return PyLong_FromLong(RING_COMMAND);
        }
        PyObject *message = fetch(self, news, false);
        if (message == NULL || !PyBytes_CheckExact(message))
            return message;
        PyObject *result = one_round(self, &given, message);
        if (result != NULL || PyErr_Occurred())
            return result;
        if (something_waits(&given))
            return PyLong_FromLong(RING_TIMEOUT);
    }
}
