//! Counts with valgrind's tool callgrind, which a program tells by requests when to count
//! (<https://valgrind.org/docs/manual/cl-manual.html#cl-manual.clientrequests>).

use std::collections::BTreeMap;
use std::ffi::CString;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Callgrind's requests, in the order of its header, from ('C' << 24) + ('T' << 16) on.
#[derive(Clone, Copy)]
enum Request {
    ZeroStats = 0x4354_0001,
    DumpStatsAt = 0x4354_0003,
    StartInstrumentation = 0x4354_0004,
    StopInstrumentation = 0x4354_0005,
}

/// Runs a function while valgrind counts, under a name.
pub(crate) fn counted<T>(name: &str, run: impl FnOnce() -> T) -> T {
    request(Request::StartInstrumentation, 0);
    request(Request::ZeroStats, 0);
    let result = run();
    let name = CString::new(name).unwrap_or_default();
    request(Request::DumpStatsAt, name.as_ptr() as u64);
    request(Request::StopInstrumentation, 0);
    result
}

/// Runs this program again under valgrind and returns its counts by name.
pub(crate) fn counts(arguments: &[&str]) -> Result<BTreeMap<String, u64>> {
    ensure!(cfg!(target_arch = "x86_64"), "the requests to valgrind are written for x86-64");
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("counts");
    let program = std::env::current_exe().context("where this program is")?;
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--instr-atstart=no", "--quiet", "--log-file=/dev/null"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(arguments)
        // One thread runs the workgroups one after the other.
        .env("LP_NUM_THREADS", "1")
        .status()
        .context("starting valgrind")?;
    ensure!(status.success(), "the program under valgrind failed: {status}");
    let mut found = BTreeMap::new();
    for file in std::fs::read_dir(folder.path())? {
        let text = std::fs::read_to_string(file?.path())?;
        let after = |prefix: &str| text.lines().find_map(|line| line.strip_prefix(prefix));
        if let (Some(name), Some(total)) = (after("desc: Trigger: Client Request: "), after("totals: ")) {
            found.insert(name.to_owned(), total.trim().parse()?);
        }
    }
    Ok(found)
}

/// Sends a request to valgrind. Without valgrind it does nothing.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "the requests are a sequence of instructions")]
fn request(request: Request, argument: u64) {
    let arguments: [u64; 6] = [request as u64, argument, 0, 0, 0, 0];
    // SAFETY: these instructions change nothing: rdi is rotated by 128 bits in all, and rbx exchanged with itself. Valgrind
    // takes them as a request whose arguments are at rax, reads these, and sets rdx.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_u64 => _,
            inout("rdi") 0_u64 => _,
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn request(_request: Request, _argument: u64) {}
