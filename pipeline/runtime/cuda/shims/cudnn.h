// cuDNN with the old functions for recurrent networks, which version 9 dropped: Jittor's module of convolutions also
// compiles its LSTM, which nothing here calls. Called all the same, they say that they are not supported.
#pragma once
#include_next <cudnn.h>

#if CUDNN_MAJOR >= 9
#define HSSL_DROPPED(function)                 \
    template <class... Arguments>              \
    inline cudnnStatus_t function(Arguments&&...) { \
        return CUDNN_STATUS_NOT_SUPPORTED;     \
    }
HSSL_DROPPED(cudnnSetRNNDescriptor_v6)
HSSL_DROPPED(cudnnGetRNNParamsSize)
HSSL_DROPPED(cudnnGetRNNWorkspaceSize)
HSSL_DROPPED(cudnnGetRNNTrainingReserveSize)
HSSL_DROPPED(cudnnGetRNNLinLayerBiasParams)
HSSL_DROPPED(cudnnGetRNNLinLayerMatrixParams)
HSSL_DROPPED(cudnnRNNForwardInference)
HSSL_DROPPED(cudnnRNNForwardTraining)
HSSL_DROPPED(cudnnRNNBackwardData)
HSSL_DROPPED(cudnnRNNBackwardWeights)
#undef HSSL_DROPPED
#endif
