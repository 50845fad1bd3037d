//! Writes the files that fuzzing starts from: samples, the small files of `tests/golden`, their tensors as npy and npz, and the
//! models of `tests/onnx`.

use std::error::Error;
use std::fs;
use std::path::Path;

use rawzip::CompressionMethod;
use wgpu_rnn::io::{Tensors, to_npy, to_npz};
use wgpu_rnn_fuzz::files::{archive, samples};

/// Bytes of the largest file that is taken; small ones are tried more often.
const MOST: usize = 9000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = folder.join("corpus");
    let save = |format: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(corpus.join(format))?;
        fs::write(corpus.join(format).join(name), bytes)
    };
    for (number, (format, bytes)) in samples().iter().enumerate() {
        save(&format!("{format:?}").to_lowercase(), &format!("sample{number}"), bytes)?;
    }
    for kind in ["", "attributes", "graphs", "node_tests"] {
        for entry in fs::read_dir(folder.join("../tests/onnx").join(kind))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "onnx") {
                save("onnx", &path.file_stem().unwrap_or_default().to_string_lossy(), &fs::read(&path)?)?;
            }
        }
    }
    for entry in fs::read_dir(folder.join("../tests/files"))? {
        let path = entry?.path();
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("pt" | "pth" | "bin" | "ckpt") => "pytorch",
            Some("h5") => "hdf5",
            Some("keras") => "keras",
            _ => continue,
        };
        save(format, &path.file_stem().unwrap_or_default().to_string_lossy(), &fs::read(&path)?)?;
    }
    let external = folder.join("../tests/onnx/graphs/external");
    let [model, data] = ["onnx", "bin"].map(|extension| fs::read(external.with_extension(extension)));
    save("onnx_data", "external", &[&model?[..], b"EXTERNAL", &data?].concat())?;
    for entry in fs::read_dir(folder.join("../tests/golden"))? {
        let path = entry?.path();
        let bytes = fs::read(&path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_none_or(|extension| extension != "safetensors") || bytes.len() > MOST {
            continue;
        }
        save("safetensors", &name, &bytes)?;
        let tensors = Tensors::from_bytes(&bytes)?;
        let mut arrays = Vec::new();
        for tensor in
            tensors.shapes().map(|(name, _)| name).filter(|tensor| tensors.dtype(tensor) == Some("f32"))
        {
            arrays.push((tensor, tensors.f32(tensor)?));
        }
        for (tensor, values) in &arrays {
            let npy = to_npy(values.view())?;
            save("npy", &format!("{name}.{tensor}"), &npy)?;
            save("npz", &format!("{name}.{tensor}"), &archive(&npy, CompressionMethod::DEFLATE))?;
        }
        save("npz", &name, &to_npz(arrays.iter().map(|(name, values)| (*name, values.view())))?)?;
    }
    Ok(())
}
