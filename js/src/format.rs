//! Formats of files with weights, by name and by their first bytes.

use std::str::FromStr;

use wgpu_rnn::{Error, ErrorKind};

/// A format of files with weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Safetensors,
    Npz,
    Onnx,
    Pytorch,
    Keras,
}

const ALL: [(Format, &str); 5] = [
    (Format::Safetensors, "safetensors"),
    (Format::Npz, "npz"),
    (Format::Onnx, "onnx"),
    (Format::Pytorch, "pytorch"),
    (Format::Keras, "keras"),
];

/// The bytes at each end of an archive that are searched for the names of its files.
const SEARCHED: usize = 1 << 16;

impl Format {
    /// Returns the format that a file's first bytes show. A file that shows none is taken for safetensors, whose
    /// reader says what the file is instead.
    pub(crate) fn of(bytes: &[u8]) -> Format {
        match bytes {
            [b'P', b'K', ..] if archive_has(bytes, b"data.pkl") => Format::Pytorch,
            [b'P', b'K', ..] if archive_has(bytes, b".weights.h5") => Format::Keras,
            [b'P', b'K', ..] => Format::Npz,
            [0x80, 2, ..] => Format::Pytorch,
            [0x89, b'H', b'D', b'F', ..] => Format::Keras,
            // The field `ir_version` of a model, and the next field.
            [8, 1..=20, 0x12 | 0x1A | 0x28 | 0x3A | 0x42, ..] => Format::Onnx,
            _ => Format::Safetensors,
        }
    }
}

impl Format {
    /// Returns the error for a format whose reader this build lacks.
    #[cfg(not(all(feature = "npz", feature = "pytorch", feature = "onnx", feature = "keras")))]
    pub(crate) fn left_out(self) -> Error {
        let name = ALL.iter().find(|(format, _)| *format == self).map_or("", |&(_, name)| name);
        let message = format!(
            "format: expected one that this build reads, found {name}; the package's main module reads every format"
        );
        Error::new(ErrorKind::Config, message)
    }
}

fn archive_has(bytes: &[u8], name: &[u8]) -> bool {
    let ends = [bytes.get(..SEARCHED).unwrap_or(bytes), &bytes[bytes.len().saturating_sub(SEARCHED)..]];
    ends.iter().any(|end| end.windows(name.len()).any(|window| window == name))
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        ALL.iter().find(|(_, known)| *known == name).map(|&(format, _)| format).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|&(_, name)| name).collect();
            let message = format!("format: expected one of {}, found {name:?}", names.join(", "));
            Error::new(ErrorKind::Config, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_others_are_refused() {
        for (format, name) in ALL {
            assert_eq!(name.parse::<Format>().unwrap(), format);
        }
        let error = "hdf4".parse::<Format>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("safetensors, npz"), "{error}");
    }

    #[test]
    fn the_first_bytes_show_the_format() {
        for (bytes, format) in [
            (&include_bytes!("../../tests/golden/gru_two_layers.safetensors")[..], Format::Safetensors),
            (include_bytes!("../../tests/onnx/graphs/external.onnx"), Format::Onnx),
            (b"PK\x03\x04....weight_ih_l0.npy", Format::Npz),
            (b"PK\x03\x04....archive/data.pkl", Format::Pytorch),
            (b"PK\x03\x04....model.weights.h5", Format::Keras),
            (b"\x89HDF\r\n\x1a\n", Format::Keras),
            (b"nothing", Format::Safetensors),
            (b"", Format::Safetensors),
        ] {
            assert_eq!(Format::of(bytes), format);
        }
    }
}
