"""What makes a recording begin and end: a command, the button, the clock, a voice."""

from micropython import const

from uploader import memory
from uploader.errors import UploaderError

_LOOK_MS = const(100)
_SCHEDULE_MS = const(1000)
_ERROR_S = const(1)
_NO_ROOM_S = const(60)
_PAST_S = const(86400)  # the longest that a schedule can want
# A remote start ends by itself, after so long if it does not say (the service's default).
REMOTE_MAX_S = const(3600)


class Control:
    """Makes recordings, one after another.

    `up` is the Uploader, `board` the board's module (MICROPHONE or `make_microphone()`, CAMERA
    or `make_camera()`); `emit(event, **info)` is told of what begins, of what does not and why.
    Where memory is short (`up.roomy`), what records is loaded once nothing is sent any more, and
    let go at a recording's end.
    """

    def __init__(self, board, settings, up, emit):
        self.recording = None
        self._board = board
        self._settings = settings
        self._up = up
        self._clock = up.store.clock
        self._emit = emit
        self._making = None
        self._last = {}  # what the Making that was let go had to tell
        self._pace = {}  # (codec, rate): bytes per second
        self._wanted = None  # (by, most seconds, what Store.begin is told)
        self._stopped = False  # the present recording was asked to end
        self._sound = True  # it has sound
        self._tell = False  # the service is told at once when it begins and ends
        self._ends_ms = None  # uptime at which it ends by itself
        self.ended_ms = None  # uptime at which the last one ended
        self.past = 0  # Unix seconds: what the schedule wants before it has been seen to
        self._look_ms = 0

    def start(self, by="command", max_s=0, about=None):
        """Ask for a recording of at most `max_s` seconds (0: until `stop`), of which `Store.begin`
        is told `about`; nothing happens if one is under way. What can't be is told:
        `not_started` with the reason."""
        if self.recording or self._wanted:
            return
        reason = self._hindrance()
        if reason:
            self._emit("not_started", by=by, reason=reason)
        else:
            self._wanted = (by, max_s, about or {})

    def command(self, name, command):
        """Act on a remote command, `start_recording` or `stop_recording`."""
        if name == "stop_recording":
            self._tell = self._tell or bool(self.recording)
            self.stop()
            return
        params = command.get("params")
        params = params if isinstance(params, dict) else {}
        max_s = params.get("max_duration_sec")
        metadata = params.get("metadata")
        if type(max_s) is not int or not 1 <= max_s <= 86400:
            max_s = REMOTE_MAX_S
        about = {
            "metadata": metadata if isinstance(metadata, dict) else None,
            "urgent": params.get("upload_immediately", True) is True,
        }
        self.start("command", max_s, about)

    def stop(self):
        """End the recording that is under way, or is about to be."""
        self._wanted = None
        self._stopped = True
        if self._making:
            self._making.stop()

    def ends_in_s(self):
        """Seconds until the recording ends by itself, None for one that does not."""
        return self._ends_ms and (self._ends_ms - self._clock.uptime_ms()) // 1000

    @property
    def samples(self):
        """Of the present recording, silence for gaps included; grows while it goes on, also
        where it is of pictures alone."""
        return self._making.samples if self._making else 0

    @property
    def under_way(self):
        """True while a recording is under way, or is about to be."""
        return bool(self.recording or self._wanted)

    @property
    def busy(self):
        """True while a recording is under way, is about to be, or a voice is listened for."""
        listens = self._settings.voice_start and self._has("microphone")
        return bool(self.under_way or listens)

    def due_s(self):
        """Seconds until the schedule wants a recording, None if it wants none or the time is
        not known."""
        due = self._due()
        if due and not due[0]:
            return max(0, self.past - self._clock.now())  # one that was seen to is over then
        return due and due[0]

    def _due(self):
        now = self._clock.now()
        if not self._settings.record_schedule or now is None:
            return None
        from uploader import schedule

        return schedule.due(self._settings.record_schedule, now, self._settings.offset_s(now))

    def _has(self, what):
        # Pictures alone, if the owner wishes so.
        if what == "microphone" and self._settings.audio_codec == "none":
            return False
        return bool(
            getattr(self._board, what.upper(), None) or getattr(self._board, "make_" + what, None)
        )

    def _hindrance(self):
        """Why nothing can be recorded now, or None."""
        if not self._has("microphone"):
            if not self._settings.stills_every_s:
                return "no microphone is there or wanted"
            if not self._has("camera"):
                return "this board has no camera"
            free = self._up.store.space.free_bytes()
            return (
                "room for %d bytes only" % free if free < self._settings.low_space_bytes else None
            )
        left = self.seconds_left()
        if left < self._settings.min_record_s and not self._settings.delete_when_full:
            return "room for %d s of sound only" % left
        return None

    def seconds_left(self):
        """How long can be recorded with the present codec. Raises StorageError."""
        key = self._settings.audio_codec, self._settings.audio_rate
        if key not in self._pace:
            listening = self._making is not None
            self._pace[key] = self._maker().encoder().bytes_per_second()
            if not (self.recording or listening):
                self._let_go()
        return self._up.store.space.free_bytes() // self._pace[key]

    def _maker(self):
        if self._making is None:
            from .making import Making

            parts = self._board, self._settings, self._clock, self._emit
            self._making = Making(*parts, self._up.roomy)
        return self._making

    def _let_go(self):
        if self._making and not self._up.roomy:
            self._last = self._making.figures()
            self._making = None
            from . import making

            memory.forget("uploader.recording", *making.modules())

    async def run(self):
        """Make recordings for ever."""
        while True:
            try:
                await self._next()
                continue
            except UploaderError as e:
                self._emit("storage", reason=str(e))
                self._up.store.ended.set()  # a card that was pulled is looked for by its loop
            except OSError as e:
                # Of a driver, most likely: no memory for its buffers, say.
                self._emit("microphone", state="failed", reason=str(e))
            except Exception as e:
                # A mistake of ours must not end all recording until somebody restarts it.
                self._emit("error", reason="%s: %s" % (type(e).__name__, e), exception=e)
            await self._clock.sleep(_ERROR_S)

    async def _next(self):
        """Wait for something that begins a recording, and make it."""
        voice = None
        if self._settings.voice_start and self._has("microphone"):
            voice = await self._listen()
        while self._wanted is None:
            await self._clock.sleep_ms(_LOOK_MS)
            self._look_at_the_clock()
            if self._settings.voice_start and self._has("microphone"):
                return
        wanted = self._wanted
        self._stopped = False
        self._sound = self._has("microphone")
        try:
            # Where memory is short, the recording has to begin for what sends to make room.
            later = not (self._up.roomy and self._sound)
            if later or await self._maker().recorder().open():
                await self._record(wanted, voice if wanted[0] == "voice" else None)
        finally:
            if self._wanted is wanted:
                self._wanted = None
            self.end()
            self._let_go()

    async def _listen(self):
        """Listen until a voice is heard or something else begins; the Voice."""
        from .voice import listen

        recorder = self._maker().recorder()
        voice, heard = await listen(recorder, self._settings, self._up.roomy, self._interrupted)
        if heard and self._wanted is None:
            self.start("voice")
            if self._wanted is None:
                recorder.close()
                # There is no room: told, and not at each word.
                await self._clock.sleep(_NO_ROOM_S)
        return voice

    async def _interrupted(self):
        """After a moment: True if something else begins, or no voice is wanted any more."""
        await self._clock.sleep_ms(_LOOK_MS)
        self._look_at_the_clock()
        return bool(self._wanted) or not self._settings.voice_start

    def _look_at_the_clock(self):
        now_ms = self._clock.uptime_ms()
        if now_ms < self._look_ms or self._wanted:
            return
        self._look_ms = now_ms + _SCHEDULE_MS
        due = self._due()
        ahead = self.past - (self._clock.now() or 0)
        if ahead > _PAST_S:
            ahead = 0  # of a clock that was wrong for a while
        if due and due[0] == 0 and ahead <= 0:
            # One that was stopped by hand, or could not be, is not begun again.
            self.past = self._clock.now() + due[1]
            self.start("schedule", due[1])

    async def _record(self, wanted, voice):
        by, max_s, about = wanted
        settings = self._settings
        left = self.seconds_left() if self._sound else None
        if voice and voice.pre_roll:
            about = {"started_at": self._clock.stamp(voice.pre_roll.ms(settings.audio_rate))}
        live = self._up.roomy and bool(settings.segment_bytes or settings.segment_seconds)
        self.recording = self._up.record(live=live, **about)
        self._wanted = None
        self._emit("capture", id=self.recording.id, by=by, seconds_left=left)
        self._tell = by == "command"
        if self._tell:
            self._up.report()
        self._ends_ms = self._clock.uptime_ms() + max_s * 1000 if max_s else None
        await self._up.quiet()
        if self._stopped:
            return
        if self._sound:
            # Where memory is short nothing is sent meanwhile, so the microphone need not be
            # waited for: what it raises ends the recording.
            await self._maker().record(self.recording, max_s, voice, not self._up.roomy)
        else:
            await self._maker().take(self.recording, max_s)

    def end(self):
        """End the recording that is under way, as it should be."""
        recording, self.recording = self.recording, None
        self._ends_ms = None
        self.ended_ms = self._clock.uptime_ms()
        gaps = None
        try:
            if self._making:
                gaps = self._making.close(bool(recording) and self._sound)
            if recording:
                recording.end(metadata=gaps)
        except UploaderError as e:
            self._emit("storage", reason=str(e))
        if recording and self._tell:
            self._up.report()

    def status(self):
        """What there is to know, as a dict that JSON can carry; `seconds_left` is how long can
        still be recorded. Raises StorageError."""
        if not self._has("microphone"):
            return {"microphone": False, "next_scheduled_s": self.due_s()}
        status = {
            "codec": self._settings.audio_codec,
            "seconds_left": self.seconds_left(),
            "next_scheduled_s": self.due_s(),
        }
        status.update(self._making.figures() if self._making else self._last)
        return status
