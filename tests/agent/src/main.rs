//! The agent of the VM tests: one verb for each thing that an agent does or tries.
//!
//! Whenever the kernel says no, the verb prints `errno=N`. Numbers from 512 on are the kernel's own and must
//! never be seen.

mod beside;
mod entry;
mod exchange;
mod exec;
mod faults;
mod fuse;
mod moved;
mod reach;
mod read;
mod served;
mod spawn;
mod unreadable;
mod written;

use std::{env, ffi::CString, os::unix::ffi::OsStringExt as _, os::unix::net::UnixStream, process::ExitCode};

use anyhow::{Context as _, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const USAGE: &str = "\
holdpoint-test-agent VERB ARGUMENTS
  exec PATH ARGUMENTS             becomes the program
  exec-by-fd PATH ARGUMENTS       the same by an open descriptor and an empty path
  exec-by-proc-fd PATH ARGUMENTS  the same by the descriptor's path in /proc
  exec-from-thread PATH ARGUMENTS the same from a thread that is not the leader
  exec-from-thread-when-told PATH ARGUMENTS  the same by a thread that waits for a line first
  exec-from-two PATH PATH         two threads become programs at once
  exec-with-handler PATH ARGUMENTS  the same with a handler for SIGCONT that restarts nothing
  exec-until-it-works N PATH ARGUMENTS  tries up to N times
  exec-large BYTES COUNT PATH     becomes the program, with COUNT arguments of BYTES bytes
  interpret PATH ARGUMENTS        waits for a line, and becomes a shell that reads the script: as its interpreter
  exec-odd PATH                   becomes the program, with arguments that are no text
  exec-without-arguments PATH     becomes the program, with an empty list of arguments
  exec-exchanged WHAT PATH ARGUMENT  becomes the program; what it begins with is exchanged by a handler for SIGCONT
  exec-flickering PATH A B        becomes the program; a neighbour changes its argument from A to B and back
  exec-written WAY PATH A B       the same; another process writes A and B into its memory, by process_vm_writev or /proc/PID/mem
  exec-served MS PATH A B         becomes the program; its argument is A, and B when it is asked for MS milliseconds later
  exec-after WHAT PATH ARGUMENTS  becomes another, or goes elsewhere, and becomes the program
  exec-moved WHAT PATH ARGUMENTS  the same, but a handler for SIGCONT makes the change
  exec-wandering A B PATH ARGUMENTS  becomes the program; a thread goes to directory B and back to A all the while
  exec-beside FILE PATH           becomes the program; behind its argument lies a page of FILE
  exec-unreadable PATH            becomes the program; its argument lies in a page that only it can read
  exec-by-int80 PATH ARGUMENTS    becomes the program as one of i386 would
  exec-by-x32 PATH ARGUMENTS      becomes the program as one of x32 would
  exec-from-memory PATH ARGUMENTS copies the program into memory and becomes the copy
  exec-by-fd-when-told PATH ARGUMENTS  opens the program, waits for a line, and becomes what it opened
  clone3 PATH ARGUMENTS           starts the program in a child of clone3 and waits for it
  stir PID TIMES                  stops and continues the process so many times, in every way
  posix-spawn PATH ARGUMENTS      starts the program by posix_spawn and waits for it
  vfork PATH ARGUMENTS            the same by vfork
  continue PID TIMES              sends SIGCONT so many times
  connect SOCKET                  connects to a Unix socket
  read-by-proc-fd FILE            opens it through the path of a descriptor that cannot read
  read-by-handle FILE             opens it by its file handle
  read-by-uring FILE              has io_uring open it
  exchange PATH PATH              exchanges the names of two files
  set-attribute FILE NAME         gives it an extended attribute
  remove-attribute FILE NAME      takes it away
  seize PID                       traces the process
  write-memory PID                writes to its memory, at an address where nothing is
  open-memory PID                 opens its /proc/PID/mem for writing
  take-descriptor PID             takes its first descriptor
  trace-own-child                 traces a child of its own, which waits
  exec-traced PATH ARGUMENTS      a child that it traces becomes the program
  exec-sharing PATH ARGUMENTS     a child with which it shares its working directory becomes the program
  sigio PID SIGNAL                has a pipe send the process a signal
  bpf                             asks bpf(2) for the first program
  load-module FILE                has the kernel load the file as a module, by finit_module
  load-module-data FILE           the same by init_module
  kexec                           has the kernel forget what it would boot into
  io-ports                        asks for all I/O ports
  serve-fuse DIRECTORY FILE NAME  mounts a file system with a copy of FILE, and answers all but the daemon";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("holdpoint-test-agent: {error:#}");
            ExitCode::from(99)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let mut arguments = env::args_os().skip(1).map(|argument| CString::new(argument.into_vec()));
    let verb = arguments.next().context(USAGE)??;
    let arguments: Vec<CString> = arguments.collect::<Result<_, _>>()?;
    let text = |index: usize| -> anyhow::Result<&str> { Ok(arguments.get(index).context(USAGE)?.to_str()?) };
    let byte = |index: usize| -> anyhow::Result<u8> { text(index)?.bytes().next().context(USAGE) };
    let rest = |index: usize| arguments.get(index..).filter(|rest| !rest.is_empty()).context(USAGE);
    let first = || arguments.first().context(USAGE);
    match verb.to_str()? {
        "exec" => exec::by_path(rest(0)?),
        "exec-by-fd" => exec::by_descriptor(rest(0)?),
        "exec-by-proc-fd" => exec::by_path_of_descriptor(rest(0)?),
        "exec-from-thread" => exec::from_thread(rest(0)?),
        "exec-from-thread-when-told" => exec::from_thread_when_told(rest(0)?),
        "exec-from-two" => exec::from_two_threads(rest(0)?),
        "exec-with-handler" => exec::with_handler(rest(0)?),
        "exec-until-it-works" => exec::until_it_works(text(0)?.parse()?, rest(1)?),
        "exec-large" => exec::large(text(0)?.parse()?, text(1)?.parse()?, rest(2)?),
        "interpret" => exec::as_interpreter(rest(0)?),
        "exec-odd" => exec::odd(rest(0)?),
        "exec-without-arguments" => exec::without_arguments(first()?),
        "exec-exchanged" => {
            exchange::by_handler(text(0)?, rest(1)?.first().context(USAGE)?, arguments.get(2).context(USAGE)?)
        }
        "exec-flickering" => exchange::by_neighbour(first()?, [byte(1)?, byte(2)?]),
        "exec-written" => {
            written::by_another(text(0)?, rest(1)?.first().context(USAGE)?, [byte(2)?, byte(3)?])
        }
        "exec-served" => {
            served::argument(text(0)?.parse()?, rest(1)?.first().context(USAGE)?, [byte(2)?, byte(3)?])
        }
        "exec-after" => moved::before(text(0)?, rest(1)?),
        "exec-moved" => moved::by_handler(text(0)?, rest(1)?),
        "exec-wandering" => moved::by_thread(text(0)?, text(1)?, rest(2)?),
        "exec-beside" => beside::argument(text(0)?, rest(1)?),
        "exec-unreadable" => unreadable::unreadable_argument(rest(0)?),
        "exec-by-int80" => entry::by_int80(rest(0)?),
        "exec-by-x32" => entry::by_x32(rest(0)?),
        "exec-from-memory" => entry::from_memory(rest(0)?),
        "exec-by-fd-when-told" => entry::by_descriptor_when_told(rest(0)?),
        "clone3" => entry::in_child_of_clone3(rest(0)?),
        "stir" => entry::stir(text(0)?.parse()?, text(1)?.parse()?),
        "posix-spawn" => spawn::posix_spawn(rest(0)?),
        "vfork" => spawn::vfork(rest(0)?),
        "continue" => keep_continuing(text(0)?.parse()?, text(1)?.parse()?),
        "connect" => connect(text(0)?),
        "read-by-proc-fd" => read::by_path_of_descriptor(text(0)?),
        "read-by-handle" => read::by_handle(rest(0)?),
        "read-by-uring" => read::by_uring(rest(0)?),
        "exchange" => read::exchange(text(0)?, text(1)?),
        "set-attribute" => read::set_attribute(rest(0)?),
        "remove-attribute" => read::remove_attribute(rest(0)?),
        "seize" => reach::seize(text(0)?.parse()?),
        "write-memory" => reach::write_memory(text(0)?.parse()?),
        "open-memory" => reach::open_memory(text(0)?),
        "take-descriptor" => reach::take_descriptor(text(0)?.parse()?),
        "trace-own-child" => reach::trace_own_child(),
        "exec-traced" => reach::exec_traced(rest(0)?),
        "exec-sharing" => reach::exec_sharing(rest(0)?),
        "sigio" => reach::sigio(text(0)?.parse()?, text(1)?.parse()?),
        "bpf" => reach::bpf(),
        "load-module" => reach::load_module(text(0)?),
        "load-module-data" => reach::load_module_data(text(0)?),
        "kexec" => reach::kexec(),
        "io-ports" => reach::io_ports(),
        "serve-fuse" => fuse::serve(text(0)?, text(1)?, arguments.get(2).context(USAGE)?),
        _ => bail!(USAGE),
    }
}

/// Says what the kernel answered, for the tests to find.
fn refused(errno: nix::errno::Errno) -> ExitCode {
    println!("errno={}", errno as i32);
    ExitCode::from(100)
}

/// Says that it worked, or what the kernel answered. `result` is what a system call returned.
fn outcome(result: i64) -> ExitCode {
    if result < 0 {
        return refused(nix::errno::Errno::last());
    }
    println!("it worked");
    ExitCode::SUCCESS
}

fn keep_continuing(pid: i32, times: u32) -> anyhow::Result<ExitCode> {
    for time in 0..times {
        match kill(Pid::from_raw(pid), Signal::SIGCONT) {
            Ok(()) => std::thread::yield_now(),
            Err(errno) => {
                println!("after {time}");
                return Ok(refused(errno));
            }
        }
    }
    println!("continued {times}");
    Ok(ExitCode::SUCCESS)
}

fn connect(socket: &str) -> anyhow::Result<ExitCode> {
    match UnixStream::connect(socket) {
        Ok(_) => {
            println!("connected");
            Ok(ExitCode::SUCCESS)
        }
        Err(cause) => {
            let errno = cause.raw_os_error().context("an error of the system")?;
            Ok(refused(nix::errno::Errno::from_raw(errno)))
        }
    }
}
