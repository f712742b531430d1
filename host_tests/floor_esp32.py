"""What an official esp32 image of MicroPython 1.26 has: builtins, methods, modules.

Read from MicroPython's sources at the tag v1.26.0, the file beside each entry: its tables as the
preprocessor leaves them with py/mpconfig.h and ports/esp32/mpconfigport.h, whose feature level is
MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES, for CONFIG_IDF_TARGET_ESP32. Python modules are those of
ports/esp32/boards/manifest.py: extmod/asyncio, and micropython-lib's bundle-networking.

Compared with what `dir()` says in the official image 1.26.1 for ESP32_GENERIC, on an emulated
chip: all that is listed is there but for what only the S3 has, and attributes that `dir` does not
tell; not listed are names that have no use in an uploader.

`name/1-2(key,default)` is a callable that takes one or two positional arguments and those
keywords; `/1-` has no upper bound; `name` alone is a value, or a callable whose arguments are not
looked at. Where a C function takes an argument by position or by keyword it is in both.
"""

# py/modbuiltins.c; the types' own files (py/obj*.c) for what their constructors take.
BUILTINS = """
    __name__ __build_class__ __import__/1-5 bool/0-1 bytes/0-3 bytearray/0-3 complex/0-2 dict
    enumerate/1-2(iterable,start) filter/2 float/0-1 frozenset/0-1 int/0-2 list/0-1 map/2-
    memoryview/1 object/0 property/0-4(fget,fset,fdel,doc) range/1-3 reversed/1 set/0-1 slice
    str/0-3 super/0-2 tuple/0-1 type/1-3 zip/0- classmethod/1 staticmethod/1 Ellipsis
    NotImplemented abs/1 all/1 any/1 bin/1 callable/1 compile/3-6 chr/1 delattr/2 dir/0-1 divmod/2
    eval/1-3 exec/1-3 execfile/1-3 getattr/2-3 setattr/3 globals/0 hasattr/2 hash/1 help/0-1 hex/1
    id/1 input/0-1 isinstance/2 issubclass/2 iter/1 len/1 locals/0 max/1-(key,default)
    min/1-(key,default) next/1-2 oct/1 open/1-4(file,mode,buffering,encoding) ord/1 pow/2-3
    print/0-(sep,end,file) repr/1 round/1-2 sorted/1(key,reverse) sum/1-2
    BaseException ArithmeticError AssertionError AttributeError EOFError Exception GeneratorExit
    ImportError IndentationError IndexError KeyboardInterrupt KeyError LookupError MemoryError
    NameError NotImplementedError OSError OverflowError RuntimeError StopAsyncIteration
    StopIteration SyntaxError SystemExit TypeError UnicodeError ValueError ViperTypeError
    ZeroDivisionError
"""

# Methods and attributes. bytes lacks encode, str lacks decode (py/objstr.c, the ranges of
# array_bytearray_str_bytes_locals_table).
TYPES = {
    # py/objstr.c; MICROPY_CPYTHON_COMPAT, STR_CENTER, STR_COUNT, STR_PARTITION, STR_SPLITLINES
    "str": """
        find/1-3 rfind/1-3 index/1-3 rindex/1-3 join/1 split/0-2 splitlines/0-1(keepends)
        rsplit/0-2 startswith/1-3 endswith/1-3 strip/0-1 lstrip/0-1 rstrip/0-1 format replace/2-3
        count/1-3 partition/1 rpartition/1 center/1 lower/0 upper/0 isspace/0 isalpha/0 isdigit/0
        isupper/0 islower/0 encode/0-2
    """,
    "bytes": """
        hex/0-1 fromhex/1 decode/0-2 find/1-3 rfind/1-3 index/1-3 rindex/1-3 join/1 split/0-2
        splitlines/0-1(keepends) rsplit/0-2 startswith/1-3 endswith/1-3 strip/0-1 lstrip/0-1
        rstrip/0-1 format replace/2-3 count/1-3 partition/1 rpartition/1 center/1 lower/0 upper/0
        isspace/0 isalpha/0 isdigit/0 isupper/0 islower/0
    """,
    # py/objarray.c, py/objstr.c
    "bytearray": "append/1 extend/1 hex/0-1 fromhex/1 decode/0-2",
    "int": "from_bytes/1-3 to_bytes/0-3",  # py/objint.c
    "list": """
        append/1 clear/0 copy/0 count/1 extend/1 index/1-3 insert/2 pop/0-1 remove/1 reverse/0
        sort/0(key,reverse)
    """,  # py/objlist.c
    "tuple": "count/1 index/1-3",  # py/objtuple.c
    "dict": """
        clear/0 copy/0 fromkeys/1-2 get/1-2 items/0 keys/0 pop/1-2 popitem/0 setdefault/1-2 update
        values/0
    """,  # py/objdict.c
    "set": """
        add/1 clear/0 copy/0 discard/1 difference/0- difference_update/0- intersection/1
        intersection_update/1 isdisjoint/1 issubset/1 issuperset/1 pop/0 remove/1
        symmetric_difference/1 symmetric_difference_update/1 union/1 update/0-
    """,  # py/objset.c
    "slice": "start stop step indices/1",  # py/objslice.c
    "range": "start stop step",  # py/objrange.c
    "generator": "close/0 send/1 throw/1-3 pend_throw/1",  # py/objgenerator.c
    "property": "getter/1 setter/1 deleter/1",  # py/objproperty.c
    "exception": "args value errno",  # py/objexcept.c, mp_obj_exception_attr
    # py/objtype.c; py/objfun.c (MICROPY_PY_FUNCTION_ATTRS)
    "object": "__init__ __new__ __setattr__/2 __delattr__/1 __class__ __dict__ __name__ __bases__",
    # extmod/vfs_lfsx_file.c, extmod/vfs_fat_file.c, py/stream.c
    "file": """
        read/0-1 readinto/1-2 readline/0-1 readlines/0 write/1-3 flush/0 close/0 seek/1-2 tell/0
        __enter__ __exit__
    """,
    "hash": "update/1 digest/0",  # extmod/modhashlib.c
    "lock": "acquire/0-2 release/0 locked/0",  # py/modthread.c
    "poll": "register/1-2 unregister/1 modify/2 poll/0-1 ipoll/0-2",  # extmod/modselect.c
    # ports/esp32/modsocket.c
    "socket": """
        close/0 bind/1 listen/0-1 accept/0 connect/1 send/1 sendall/1 sendto/2 recv/1-2
        recvfrom/1-2 setsockopt/3 settimeout/1 setblocking/1 makefile/0-2 fileno/0 read/0-1
        readinto/1-2 readline/0-1 write/1-3
    """,
    # extmod/modtls_mbedtls.c
    "tls.SSLContext": """
        verify_mode verify_callback ecdsa_sign_callback get_ciphers/0 set_ciphers/1
        load_cert_chain/2 load_verify_locations/1
        wrap_socket/1(server_side,do_handshake_on_connect,server_hostname)
    """,
    "tls.SSLSocket": """
        read/0-1 readinto/1-2 readline/0-1 write/1-3 setblocking/1 close/0 cipher/0
    """,
    # extmod/machine_i2s.c
    "machine.I2S": """
        init readinto/1-2 write/1-3 deinit/0 irq/1 shift(buf,bits,shift) RX TX STEREO MONO
    """,
    # extmod/machine_uart.c, ports/esp32/machine_uart.c (MICROPY_PY_MACHINE_UART_CLASS_CONSTANTS)
    "machine.UART": """
        init/0-4(baudrate,bits,parity,stop,tx,rx,rts,cts,txbuf,rxbuf,timeout,timeout_char,invert,flow)
        deinit/0 flush/0 read/0-1 readline/0-1 readinto/1-2 write/1-3 any/0 txdone/0 sendbreak/0
        irq/0-3(handler,trigger,hard) INV_TX INV_RX INV_RTS INV_CTS RTS CTS IRQ_RX IRQ_RXIDLE
        IRQ_BREAK
    """,
    "machine.WDT": "feed/0",  # extmod/machine_wdt.c
    # extmod/machine_adc.c, ports/esp32/machine_adc.c
    "machine.ADC": """
        init(atten) deinit/0 block/0 read_u16/0 read_uv/0 atten/1 width/1 read/0 ATTN_0DB
        ATTN_2_5DB ATTN_6DB ATTN_11DB WIDTH_9BIT WIDTH_10BIT WIDTH_11BIT WIDTH_12BIT
    """,
    # extmod/machine_i2c.c
    "machine.I2C": """
        init scan/0 start/0 stop/0 readinto/1-2 write/1 readfrom/2-3 readfrom_into/2-3 writeto/2-3
        writevto/2-3 readfrom_mem/3-4(addr,memaddr,nbytes,addrsize)
        readfrom_mem_into/3-4(addr,memaddr,buf,addrsize)
        writeto_mem/3-4(addr,memaddr,buf,addrsize)
    """,
    # ports/esp32/machine_pin.c
    "machine.Pin": """
        init/0-5(mode,pull,value,drive,hold) value/0-1 off/0 on/0 toggle/0
        irq/0-3(handler,trigger,wake) board IN OUT OPEN_DRAIN PULL_UP PULL_DOWN IRQ_RISING
        IRQ_FALLING WAKE_LOW WAKE_HIGH DRIVE_0 DRIVE_1 DRIVE_2 DRIVE_3
    """,
    "machine.RTC": "init/1 datetime/0-1 memory/0-1",  # ports/esp32/machine_rtc.c
    # ports/esp32/machine_sdcard.c
    "machine.SDCard": "info/0 deinit/0 readblocks/2 writeblocks/2 ioctl/2",
    # ports/esp32/machine_timer.c
    "machine.Timer": """
        deinit/0 init/0-1(mode,callback,period,tick_hz,freq) value/0 ONE_SHOT PERIODIC
    """,
    # extmod/machine_pwm.c
    "machine.PWM": """
        init(freq,duty,duty_u16,duty_ns,invert,lightsleep) deinit/0 freq/0-1 duty/0-1 duty_u16/0-1
        duty_ns/0-1
    """,
    # ports/esp32/network_wlan.c: connect takes its two by position, only bssid by keyword
    "network.WLAN": """
        active/0-1 connect/0-2(bssid) disconnect/0 status/0-1 scan/0 isconnected/0 config
        ifconfig/0-1 ipconfig IF_STA IF_AP SEC_OPEN SEC_WEP SEC_WPA SEC_WPA2 SEC_WPA_WPA2
        SEC_WPA2_ENT SEC_WPA3 SEC_WPA2_WPA3 SEC_OWE PM_NONE PM_PERFORMANCE PM_POWERSAVE
    """,
    # ports/esp32/network_ppp.c
    "network.PPP": """
        config status/0 connect/0-3(security,user,key) disconnect/0 isconnected/0 ifconfig/0-1
        ipconfig poll/0 SEC_NONE SEC_PAP SEC_CHAP
    """,
    # ports/esp32/esp32_partition.c
    "esp32.Partition": """
        find/0-2(type,subtype,label,block_size) info/0 readblocks/2-3 writeblocks/2-3 ioctl/2
        set_boot/0 mark_app_valid_cancel_rollback/0 get_next_update/0 BOOT RUNNING TYPE_APP
        TYPE_DATA
    """,
    # ports/esp32/esp32_nvs.c
    "esp32.NVS": "get_i32/1 set_i32/2 get_blob/2 set_blob/2 erase_key/1 commit/0",
    # extmod/vfs_lfsx.c, extmod/vfs_fat.c
    "vfs": """
        mkfs open/2 ilistdir/0-1 mkdir/1 rmdir/1 chdir/1 getcwd/0 remove/1 rename/2 stat/1
        statvfs/1 mount/2 umount/0
    """,
    "deque": "append/1 appendleft/1 extend/1 pop/0 popleft/0",  # py/objdeque.c
    # extmod/modre.c, without MICROPY_PY_RE_MATCH_GROUPS and _SPAN_START_END
    "re": "match/1-3 search/1-3 split/1-2 sub/2-4 group/1",
    "StringIO": "getvalue/0",  # py/objstringio.c
    # extmod/asyncio/*.py, extmod/modasyncio.c
    "asyncio.Event": "is_set/0 set/0 clear/0 wait/0",
    "asyncio.Lock": "locked/0 release/0 acquire/0",
    "asyncio.ThreadSafeFlag": "set/0 clear/0 wait/0 ioctl/2",
    "asyncio.Task": "coro data state done/0 cancel/0",
    "asyncio.Loop": """
        create_task/1 run_forever/0 run_until_complete/1 stop/0 close/0 set_exception_handler/1
        get_exception_handler/0 default_exception_handler/1 call_exception_handler/1
    """,
    "asyncio.Stream": """
        get_extra_info/1 close/0 wait_closed/0 read/0-1(n) readinto/1(buf) readexactly/1(n)
        readline/0 write/1 drain/0 s e out_buf
    """,
    "asyncio.Server": "close/0 wait_closed/0",
    # micropython-lib, python-ecosys/requests
    "requests.Response": "close/0 content text json/0 raw encoding status_code reason headers",
    # py/objnamedtuple.c without _asdict; sys.implementation (py/modsys.c)
    "implementation": "name version _machine _mpy _build _thread",
}

MODULES = {
    # py/modsys.c: no getsizeof, no intern; ps1, ps2, tracebacklimit: MICROPY_PY_SYS_PS1_PS2
    "sys": """
        argv version version_info implementation platform byteorder maxsize exit/0-1 stdin stdout
        stderr modules path ps1 ps2 print_exception/1-2
    """,
    "gc": "collect/0 disable/0 enable/0 isenabled/0 mem_free/0 mem_alloc/0 threshold/0-1",
    # py/modmicropython.c
    "micropython": """
        const/1 opt_level/0-1 mem_info/0-1 qstr_info/0-1 stack_use/0 heap_lock/0 heap_unlock/0
        kbd_intr/1 RingIO schedule/2 alloc_emergency_exception_buf/1 native viper asm_xtensa
    """,
    "struct": "calcsize/1 pack/1- pack_into/3- unpack/2-3 unpack_from/2-3",  # py/modstruct.c
    "array": "array/1-2",
    "collections": "deque/2-3 namedtuple/2 OrderedDict",  # py/modcollections.c
    # py/moderrno.c: no EPIPE, ENOSPC, ENOTDIR, EROFS, ESPIPE
    "errno": """
        errorcode EPERM ENOENT EIO EBADF EAGAIN ENOMEM EACCES EEXIST ENODEV EISDIR EINVAL
        EOPNOTSUPP EADDRINUSE ECONNABORTED ECONNRESET ENOBUFS ENOTCONN ETIMEDOUT ECONNREFUSED
        EHOSTUNREACH EALREADY EINPROGRESS
    """,
    # py/modio.c
    "io": "open/1-4(file,mode,buffering,encoding) IOBase StringIO BytesIO BufferedWriter/2",
    # py/modmath.c
    "math": """
        e pi tau inf nan sqrt/1 pow/2 exp/1 expm1/1 log/1-2 log2/1 log10/1 cosh/1 sinh/1 tanh/1
        acosh/1 asinh/1 atanh/1 cos/1 sin/1 tan/1 acos/1 asin/1 atan/1 atan2/2 ceil/1 copysign/2
        fabs/1 floor/1 fmod/2 frexp/1 ldexp/2 modf/1 isfinite/1 isinf/1 isnan/1
        isclose/2(rel_tol,abs_tol) trunc/1 radians/1 degrees/1 factorial/1 erf/1 erfc/1 gamma/1
        lgamma/1
    """,
    # py/modthread.c
    "_thread": "LockType get_ident/0 stack_size/0-1 start_new_thread/2-3 exit/0 allocate_lock/0",
    # extmod/modos.c, ports/esp32/modos.c: no getenv, no putenv, no system, no fsync
    "os": """
        sync/0 uname/0 urandom/1 sep chdir/1 getcwd/0 listdir/0-1 mkdir/1 remove/1 rename/2
        rmdir/1 unlink/1 stat/1 statvfs/1 dupterm/1-2 dupterm_notify/1 ilistdir/0-1
        mount/2-4(readonly,mkfs) umount/1 VfsFat VfsLfs2
    """,
    # extmod/modvfs.c; ports/esp32/esp32_common.cmake sets MICROPY_VFS_FAT and _LFS2
    "vfs": "mount/0-4(readonly,mkfs) umount/1 VfsFat VfsLfs2",
    # extmod/modtime.c, ports/esp32/modtime.c
    "time": """
        gmtime/0-1 localtime/0-1 mktime/1 time/0 time_ns/0 sleep/1 sleep_ms/1 sleep_us/1 ticks_ms/0
        ticks_us/0 ticks_cpu/0 ticks_add/2 ticks_diff/2
    """,
    "select": "select/3-4 poll/0 POLLIN POLLOUT POLLERR POLLHUP",  # extmod/modselect.c
    "json": "dump/2(separators) dumps/1(separators) load/1 loads/1",  # extmod/modjson.c
    # extmod/modbinascii.c
    "binascii": "hexlify/1-2 unhexlify/1 a2b_base64/1 b2a_base64/1(newline) crc32/1-2",
    "hashlib": "sha256/0-1 sha1/0-1 md5/0-1",  # extmod/modhashlib.c
    "random": """
        getrandbits/1 seed/0-1 randrange/1-3 randint/2 choice/1 random/0 uniform/2
    """,  # extmod/modrandom.c
    "re": "compile/1-2 match/2-4 search/2-4 sub/3-5",  # extmod/modre.c
    "deflate": "DeflateIO/1-4 AUTO RAW ZLIB GZIP",  # extmod/moddeflate.c
    "heapq": "heappush/2 heappop/1 heapify/1",  # extmod/modheapq.c
    # extmod/modtls_mbedtls.c
    "tls": """
        SSLContext/1 MBEDTLS_VERSION PROTOCOL_TLS_CLIENT PROTOCOL_TLS_SERVER PROTOCOL_DTLS_CLIENT
        PROTOCOL_DTLS_SERVER CERT_NONE CERT_OPTIONAL CERT_REQUIRED
    """,
    # micropython-lib, python-stdlib/ssl
    "ssl": """
        SSLContext wrap_socket MBEDTLS_VERSION PROTOCOL_TLS_CLIENT PROTOCOL_TLS_SERVER CERT_NONE
        CERT_OPTIONAL CERT_REQUIRED
    """,
    # ports/esp32/modsocket.c: getaddrinfo by position only; no SO_KEEPALIVE, no SO_SNDBUF
    "socket": """
        socket/0-3 getaddrinfo/2-6 AF_INET AF_INET6 SOCK_STREAM SOCK_DGRAM SOCK_RAW IPPROTO_TCP
        IPPROTO_UDP IPPROTO_IP SOL_SOCKET SO_REUSEADDR SO_BROADCAST SO_BINDTODEVICE
        IP_ADD_MEMBERSHIP TCP_NODELAY MSG_PEEK MSG_DONTWAIT
    """,
    # extmod/modmachine.c, ports/esp32/modmachine.c, ports/esp32/modules/machine.py
    "machine": """
        mem8 mem16 mem32 unique_id/0 soft_reset/0-1 reset/0 reset_cause/0 idle/0 freq/0-1
        lightsleep/0-1 deepsleep/0-1 sleep/0-1 disable_irq/0 enable_irq/1 bitstream/4 dht_readinto
        time_pulse_us/2-3 wake_reason/0 Signal SoftI2C SoftSPI ADC/1-2(atten) ADCBlock
        DAC I2C/1(scl,sda,freq,timeout) I2S/1(sck,ws,sd,mck,mode,bits,format,rate,ibuf) PWM SPI
        UART/1-5(baudrate,bits,parity,stop,tx,rx,rts,cts,txbuf,rxbuf,timeout,timeout_char,invert,flow)
        WDT/0-2(id,timeout) Timer/1-2(mode,callback,period,tick_hz,freq)
        SDCard/0-1(slot,width,cd,wp,miso,mosi,sck,cs,cmd,data,freq)
        Pin/1-6(mode,pull,value,drive,hold) RTC/0 TouchPad/1 Counter Encoder SLEEP DEEPSLEEP
        HARD_RESET PWRON_RESET WDT_RESET DEEPSLEEP_RESET SOFT_RESET PIN_WAKE EXT0_WAKE EXT1_WAKE
        TIMER_WAKE TOUCHPAD_WAKE ULP_WAKE
    """,
    # extmod/modnetwork.c, ports/esp32/modnetwork_globals.h
    "network": """
        country/0-1 hostname/0-1 ipconfig phy_mode/0-1 WLAN/0-1 LAN PPP/1 STA_IF AP_IF MODE_11B
        MODE_11G MODE_11N MODE_LR AUTH_OPEN AUTH_WEP AUTH_WPA_PSK AUTH_WPA2_PSK AUTH_WPA_WPA2_PSK
        AUTH_WPA2_ENTERPRISE AUTH_WPA3_PSK AUTH_WPA2_WPA3_PSK AUTH_OWE STAT_IDLE STAT_CONNECTING
        STAT_GOT_IP STAT_NO_AP_FOUND STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD
        STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY
        STAT_WRONG_PASSWORD STAT_BEACON_TIMEOUT STAT_ASSOC_FAIL STAT_CONNECT_FAIL
        STAT_HANDSHAKE_TIMEOUT
    """,
    # ports/esp32/modesp32.c; raw_temperature on the ESP32, mcu_temperature on the others
    "esp32": """
        wake_on_touch/1 wake_on_ext0/0-2(pin,level) wake_on_ext1/0-2(pins,level) wake_on_ulp/1
        gpio_deep_sleep_hold/1 raw_temperature/0 mcu_temperature/0 idf_heap_info/1 NVS/1
        Partition/1-2 PCNT RMT ULP WAKEUP_ALL_LOW WAKEUP_ANY_HIGH HEAP_DATA HEAP_EXEC
    """,
    "esp": "",  # ports/esp32/modesp.c: nothing of it is used here
    # extmod/asyncio/__init__.py, core.py, funcs.py, stream.py: no TaskGroup, timeout, Queue,
    # Semaphore, to_thread, shield, all_tasks, CancelledError.args
    "asyncio": """
        CancelledError TimeoutError Task TaskQueue sleep/1(t) sleep_ms/1-2(t,sgen)
        create_task/1(coro) run_until_complete/0-1(main_task) run/1(coro) get_event_loop/0-2
        current_task/0 new_event_loop/0 Loop wait_for/2-3(aw,timeout,sleep)
        wait_for_ms/2(aw,timeout) gather/0-(return_exceptions) Event/0 ThreadSafeFlag/0 Lock/0
        open_connection/2-4(host,port,ssl,server_hostname)
        start_server/3-5(cb,host,port,backlog,ssl) StreamReader
        StreamWriter ticks ticks_diff ticks_add
    """,
    # micropython-lib, python-ecosys/requests; its methods take what `request` does
    "requests": "Response request head get post put patch delete",
    "ntptime": "time/0 settime/0 host timeout",
}

# What a class may define and the interpreter calls: py/objtype.c (mp_unary_op_method_name,
# mp_binary_op_method_name, descriptors, attributes), py/modbuiltins.c, py/vm.c, py/compile.c. No
# __await__ (await takes what has __iter__), __format__, __init_subclass__, __getattribute__.
SPECIAL_METHODS = """
    __init__ __new__ __del__ __call__ __getattr__ __str__ __repr__ __len__ __bool__ __hash__
    __iter__ __next__ __getitem__ __setitem__ __delitem__ __contains__ __enter__ __exit__
    __aenter__ __aexit__ __aiter__ __anext__ __eq__ __lt__ __gt__ __le__ __ge__ __ne__
    __add__ __sub__ __mul__ __matmul__ __floordiv__ __truediv__ __mod__ __divmod__ __pow__
    __lshift__ __rshift__ __and__ __or__ __xor__ __iadd__ __isub__ __imul__ __imatmul__
    __ifloordiv__ __itruediv__ __imod__ __ipow__ __ilshift__ __irshift__ __iand__ __ior__ __ixor__
    __radd__ __rsub__ __rmul__ __rmatmul__ __rfloordiv__ __rtruediv__ __rmod__ __rpow__
    __rlshift__ __rrshift__ __rand__ __ror__ __rxor__ __pos__ __neg__ __invert__ __abs__ __int__
    __float__ __complex__ __get__ __set__ __delete__ __set_name__ __setattr__ __delattr__
"""
