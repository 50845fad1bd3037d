// ONNX's f, g and h for PyTorch's LSTM and GRU.

fn act_f(index: u32, x: f32) -> f32 {
    return act_sigmoid(x);
}

fn act_g(index: u32, x: f32) -> f32 {
    return act_tanh(x);
}

fn act_h(index: u32, x: f32) -> f32 {
    return act_tanh(x);
}
