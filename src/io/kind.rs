//! What a file is by its first bytes.

use std::fmt;

#[cfg(any(feature = "keras", feature = "npz", feature = "pytorch"))]
use super::archive::members;
#[cfg(any(feature = "npz", feature = "onnx"))]
use super::format_error;
#[cfg(any(feature = "npz", feature = "onnx"))]
use crate::Error;
#[cfg(any(feature = "npz", feature = "onnx"))]
use crate::error::Fault;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    GitLfs,
    Html,
    Pytorch,
    Pickle,
    Npz,
    Npy,
    Keras,
    Zip,
    Hdf5,
    Onnx,
    Ort,
    Safetensors,
    Gzip,
}

/// The bytes that are searched for the names in an archive that is not whole.
const SEARCHED: usize = 1 << 16;

impl Kind {
    /// Returns the kind that the first bytes show, if they show one.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [] => Kind::Empty,
            // A length of the header whose first bytes may look like any other format.
            [_, _, _, _, _, _, 0, 0, b'{', ..] => Kind::Safetensors,
            [0x80, 2, 0x8A, 10, b'l', 0xFC, ..] => Kind::Pytorch,
            [0x80, 2..=5, ..] => Kind::Pickle,
            [b'P', b'K', 3 | 5, 4 | 6, ..] => archive(bytes),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Kind::Npy,
            [0x89, b'H', b'D', b'F', ..] => Kind::Hdf5,
            [0x1F, 0x8B, ..] => Kind::Gzip,
            [_, _, _, _, b'O', b'R', b'T', b'M', ..] => Kind::Ort,
            // The model's version, and then its producer, another version or its graph.
            [8, 1..=20, 0x12 | 0x1A | 0x28 | 0x3A | 0x42, ..] => Kind::Onnx,
            _ => return text(bytes),
        })
    }

    /// Returns the feature that reads files of this kind.
    pub(super) fn feature(self) -> Option<&'static str> {
        Some(match self {
            Kind::Safetensors => "safetensors",
            Kind::Npy | Kind::Npz => "npz",
            Kind::Pytorch => "pytorch",
            Kind::Keras | Kind::Hdf5 => "keras",
            Kind::Onnx => "onnx",
            Kind::Empty | Kind::GitLfs | Kind::Html | Kind::Pickle | Kind::Zip | Kind::Ort | Kind::Gzip => {
                return None;
            }
        })
    }
}

/// Returns the kind of an archive by the names of its files.
fn archive(bytes: &[u8]) -> Kind {
    #[cfg(any(feature = "keras", feature = "npz", feature = "pytorch"))]
    if let Ok(members) = members(bytes, "archive") {
        let has = |is: &dyn Fn(&str) -> bool| members.keys().any(|name| is(name));
        return match () {
            () if has(&|name| name == "data.pkl" || name.ends_with("/data.pkl")) => Kind::Pytorch,
            () if has(&|name| name == "model.weights.h5") => Kind::Keras,
            () if has(&|name| name.contains(".npy")) => Kind::Npz,
            () => Kind::Zip,
        };
    }
    broken_archive(bytes)
}

/// Returns the kind of an archive that cannot be read, by the names that are found in its bytes.
fn broken_archive(bytes: &[u8]) -> Kind {
    // An archive has the names of its files at the beginning of each, and all of them at its end.
    let ends = [bytes.get(..SEARCHED).unwrap_or(bytes), &bytes[bytes.len().saturating_sub(SEARCHED)..]];
    let has = |name: &[u8]| ends.iter().any(|end| end.windows(name.len()).any(|window| window == name));
    match () {
        () if has(b"data.pkl") => Kind::Pytorch,
        () if has(b"model.weights.h5") => Kind::Keras,
        () if has(b".npy") => Kind::Npz,
        () => Kind::Zip,
    }
}

fn text(bytes: &[u8]) -> Option<Kind> {
    let start = bytes.trim_ascii_start();
    let begins = |with: &[u8]| start.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if begins(b"version https://git-lfs") {
        return Some(Kind::GitLfs);
    }
    (begins(b"<!doctype html") || begins(b"<html")).then_some(Kind::Html)
}

/// Names the kind, with what to do about one that cannot be read.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Empty => "an empty file",
            Kind::GitLfs => "a Git LFS pointer in place of the file (`git lfs pull` fetches the file)",
            Kind::Html => "a web page (HTML) in place of the file (download the file itself)",
            Kind::Pytorch => "a file of torch.save",
            Kind::Pickle => {
                "a pickle that torch.save did not write (in Python: torch.save(state_dict, 'file.pt'))"
            }
            Kind::Npz => "an npz file",
            Kind::Npy => "an npy file of one array",
            Kind::Keras => "a Keras model",
            Kind::Zip => "a zip archive (unpack it)",
            Kind::Hdf5 => "an HDF5 file",
            Kind::Onnx => "an ONNX model",
            Kind::Ort => {
                "a model in ONNX Runtime's own format (the ONNX model from which it was made is needed)"
            }
            Kind::Safetensors => "a safetensors file",
            Kind::Gzip => "a gzip file (unpack it)",
        })
    }
}

#[cfg(any(feature = "npz", feature = "onnx"))]
/// Returns the error of a reader of `own`, with what the file is instead if its first bytes show that.
pub(super) fn explained(error: Error, bytes: &[u8], own: Kind) -> Error {
    match (Kind::of(bytes), error.fault()) {
        (Some(kind), Fault::Format { what, expected, .. }) if kind != own => {
            format_error(what, expected, kind)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_kind() {
        let files: [(&[u8], Option<Kind>); 14] = [
            (b"", Some(Kind::Empty)),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", Some(Kind::GitLfs)),
            (b"\n <!DOCTYPE HTML>\n", Some(Kind::Html)),
            (b"\x80\x02\x8a\x0al\xfc\x9cF", Some(Kind::Pytorch)),
            (b"\x80\x04\x95", Some(Kind::Pickle)),
            (b"PK\x03\x04....archive/data.pkl", Some(Kind::Pytorch)),
            (b"PK\x03\x04....config.json", Some(Kind::Zip)),
            (b"\x89HDF\r\n\x1a\n", Some(Kind::Hdf5)),
            (b"\x40\0\0\0\0\0\0\0{\"a\":", Some(Kind::Safetensors)),
            (b"\x80\x02\0\0\0\0\0\0{\"a\":", Some(Kind::Safetensors)),
            (b"\x1f\x8b\0\0\0\0\0\0{\"a\":", Some(Kind::Safetensors)),
            (b"\x08\x08\x12\x07pytorch", Some(Kind::Onnx)),
            (b"\0\0\0\0ORTM", Some(Kind::Ort)),
            (b"some text", None),
        ];
        for (bytes, kind) in files {
            assert_eq!(Kind::of(bytes), kind, "{bytes:?}");
        }
    }
}
