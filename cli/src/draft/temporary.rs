//! A temporary file in the folder of its target.
//!
//! On Linux the file has no name until it is complete, so nothing remains of it, however the process ends.
//! Elsewhere, and on file systems that cannot do this, it has a hidden name, and a signal handler removes it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

#[derive(Debug)]
pub(super) enum Temporary {
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(NamedTempFile),
}

impl Temporary {
    /// Creates a file in `folder`, with the permissions that `target` has or would get.
    pub(super) fn new(folder: &Path, target: &Path) -> io::Result<Self> {
        let file = Temporary::create(folder)?;
        if let Ok(existing) = fs::metadata(target) {
            file.set_permissions(existing.permissions())?;
        }
        Ok(file)
    }

    #[cfg(target_os = "linux")]
    fn create(folder: &Path) -> io::Result<Self> {
        match nameless::create(folder) {
            Some(file) => Ok(Temporary::Nameless(file)),
            None => named(folder).map(Temporary::Named),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn create(folder: &Path) -> io::Result<Self> {
        named(folder).map(Temporary::Named)
    }

    fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Temporary::Nameless(file) => file.set_permissions(permissions),
            Temporary::Named(file) => file.as_file().set_permissions(permissions),
        }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Temporary::Nameless(file) => file.write_all(bytes),
            Temporary::Named(file) => file.write_all(bytes),
        }
    }

    /// Gives the file its name. It replaces an existing file.
    pub(super) fn persist(self, place: &Path) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Temporary::Nameless(file) => nameless::persist(&file, place),
            Temporary::Named(file) => {
                let hidden = file.path().to_owned();
                file.persist(place).map_err(|error| error.error)?;
                signals::forget(&hidden);
                Ok(())
            }
        }
    }
}

/// Returns the reason without the name of the temporary file, which means nothing to the user.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" at path ").next().unwrap_or_default().to_owned()
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wgpu-rnn-");
    builder
}

fn named(folder: &Path) -> io::Result<NamedTempFile> {
    builder().make_in(folder, |path| {
        // A signal may come at any moment, so the name is known before the file is there.
        signals::remember(path);
        open_new(path).inspect_err(|_| signals::forget(path))
    })
}

fn open_new(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o666);
    }
    options.open(path)
}

#[cfg(target_os = "linux")]
mod nameless {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

    use super::builder;

    /// Creates a file without a name. Returns none if the system or the file system cannot do this.
    pub(super) fn create(folder: &Path) -> Option<File> {
        // `linkat` needs the link of an open file in /proc.
        if super::named_by_request() || !Path::new("/proc/self/fd").is_dir() {
            return None;
        }
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        open(folder, flags, Mode::from_raw_mode(0o666)).ok().map(File::from)
    }

    pub(super) fn persist(file: &File, place: &Path) -> io::Result<()> {
        let open = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = |path: &Path| linkat(CWD, &open, CWD, path, AtFlags::SYMLINK_FOLLOW);
        match link(place) {
            Ok(()) => Ok(()),
            // A link cannot replace a file, but a file can: link under a hidden name, then rename.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let hidden = builder().make_in(super::super::folder(place), |path| Ok(link(path)?))?;
                hidden.persist(place).map_err(|error| error.error)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns whether a test asks for named files on a system that can do without.
#[cfg(target_os = "linux")]
fn named_by_request() -> bool {
    cfg!(debug_assertions) && std::env::var_os("WGPU_RNN_TEST_NAMED_DRAFTS").is_some()
}

/// Removes named files when a signal ends the process.
mod signals {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process;
    use std::sync::{Mutex, Once, PoisonError};

    static HIDDEN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    static HANDLER: Once = Once::new();

    pub(super) fn remember(path: &Path) {
        HANDLER.call_once(|| {
            // Without a thread for the handler, the file remains if the process is interrupted.
            let _ = ctrlc::set_handler(|| {
                // Locked until the end, so that no other file is made.
                let mut hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
                for path in hidden.drain(..) {
                    let _ = fs::remove_file(path);
                }
                // The shells' status for an interrupted command.
                process::exit(130);
            });
        });
        HIDDEN.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }

    pub(super) fn forget(path: &Path) {
        HIDDEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|hidden| hidden != path);
    }
}
