// ONNX's f, g and h for PyTorch's LSTM and GRU, whose f is only used for gates.

fn gate_f(index: u32, x: f32) -> Gate {
    return act_sigmoid_gate(x);
}

fn act_g(index: u32, x: f32) -> f32 {
    return act_tanh(x);
}

fn act_h(index: u32, x: f32) -> f32 {
    return act_tanh(x);
}
