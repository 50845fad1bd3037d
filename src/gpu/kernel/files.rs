//! The shader files.

use std::fmt;

/// A shader file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct File {
    pub(in crate::gpu) name: &'static str,
    pub(in crate::gpu) text: &'static str,
}

/// Writes the name.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Returns the shader file of that name, without `.wgsl`.
macro_rules! file {
    ($name:literal) => {
        $crate::gpu::kernel::File {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name, ".wgsl")),
        }
    };
}
pub(in crate::gpu) use file;
