/* The rest of libcudart's interface: registration of kernels, launches, device properties, errors.
 *
 * An nvcc-built binary registers each kernel's host stub under its mangled name; the object named by SA_SIMT_KERNELS, the same
 * sources built by g++, registers bodies under the name in SIMT_KERNEL. A launch joins the two. SA_SIMT_DEVICE=none plays a
 * machine without a card (error 100), nodriver one without a driver (error 35). */
#include "engine.h"
#include "faults.h"
#include "memory.h"
#include "streams.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>
#include <map>
#include <string>
#include <vector>

namespace simt
{

struct Kernel {
    std::string name;
    Call call;
    void *body;
    std::vector<size_t> argument_bytes;
};

static std::map<std::string, Kernel> &kernels()
{
    static std::map<std::string, Kernel> by_name;
    return by_name;
}
static std::map<const void *, Kernel *> &bodies()
{
    static std::map<const void *, Kernel *> by_body;
    return by_body;
}
static std::map<const void *, std::string> &stubs()
{
    static std::map<const void *, std::string> by_stub;
    return by_stub;
}

static std::string without_blanks(std::string text)
{
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    return text;
}

/* "_Z1kILi3EfEvPT0_i" -> "k<3,float>"; plain kernels -> their name without namespace or parameters. */
static std::string kernel_name(const char *mangled)
{
    int status;
    char *demangled = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    if (!demangled) return mangled;
    std::string text = demangled;
    free(demangled);
    size_t end = 0;
    int depth = 0;
    for (; end < text.size() && !(text[end] == '(' && depth == 0 && text.compare(end, 11, "(anonymous ") != 0); end++) {
        if (text[end] == '<') depth++;
        if (text[end] == '>') depth--;
    }
    text.resize(end);
    size_t begin = 0; /* after the return type of a template, and after namespaces */
    depth = 0;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '<' || text[i] == '(') depth++;
        if (text[i] == '>' || text[i] == ')') depth--;
        if (depth == 0 && (text[i] == ' ' || text[i] == ':')) begin = i + 1;
    }
    return without_blanks(text.substr(begin));
}

static void load_kernels()
{
    static bool done;
    const char *path = getenv("SA_SIMT_KERNELS");
    if (done || !path || !*path) return;
    done = true;
    if (dlopen(path, RTLD_LAZY | RTLD_GLOBAL)) return;
    fprintf(stderr, "SIMT: %s\n", dlerror());
    exit(3);
}

static Kernel *find_kernel(const void *function)
{
    auto body = bodies().find(function);
    if (body != bodies().end()) return body->second;
    auto stub = stubs().find(function);
    if (stub == stubs().end()) return nullptr;
    auto found = kernels().find(kernel_name(stub->second.c_str()));
    if (found != kernels().end()) return &found->second;
    fprintf(stderr, "SIMT: no CPU body for kernel %s (%s)\n", kernel_name(stub->second.c_str()).c_str(), stub->second.c_str());
    return nullptr;
}

static bool launchable(dim3 grid, dim3 block)
{
    uint64_t threads = (uint64_t)block.x * block.y * block.z;
    return threads >= 1 && threads <= 1024 && block.x <= 1024 && block.y <= 1024 && block.z <= 64 && grid.x >= 1 && grid.y >= 1 &&
           grid.z >= 1 && grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535;
}

static cudaError_t launch(const Kernel *kernel, dim3 grid, dim3 block, void **arguments, size_t shared_bytes, cudaStream_t stream)
{
    if (cudaError_t error = enter(CallKind::launch)) return error;
    if (!kernel) return set_error(cudaErrorInvalidDeviceFunction);
    if (!launchable(grid, block)) return set_error(cudaErrorInvalidConfiguration);
    if (shared_bytes > 48 * 1024) return set_error(cudaErrorInvalidValue); /* no opt-in to more is emulated */
    size_t total = 0;
    for (size_t bytes : kernel->argument_bytes) total += bytes;
    if (total > 32764) return set_error(cudaErrorInvalidValue);
    if (!deferred(stream)) {
        run_grid({kernel->name.c_str(), grid, block, shared_bytes, kernel->call, kernel->body, arguments});
        return cudaSuccess;
    }
    std::vector<std::vector<char>> copies;
    for (size_t i = 0; i < kernel->argument_bytes.size(); i++)
        copies.emplace_back((char *)arguments[i], (char *)arguments[i] + kernel->argument_bytes[i]);
    submit(stream, [=]() mutable {
        std::vector<void *> pointers;
        for (auto &copy : copies) pointers.push_back(copy.data());
        run_grid({kernel->name.c_str(), grid, block, shared_bytes, kernel->call, kernel->body, pointers.data()});
    });
    return cudaSuccess;
}

static cudaError_t device_error()
{
    const char *text = getenv("SA_SIMT_DEVICE");
    if (text && !strcmp(text, "none")) return cudaErrorNoDevice;
    if (text && !strcmp(text, "nodriver")) return cudaErrorInsufficientDriver;
    return enter(CallKind::device);
}

static struct {
    dim3 grid, block;
    size_t shared_bytes;
    cudaStream_t stream;
} pushed;

} // namespace simt

using namespace simt;

extern "C" {

void simt_register(const char *name, Call call, void *body, size_t count, const size_t *sizes)
{
    std::string key = without_blanks(name);
    kernels()[key] = {key, call, body, std::vector<size_t>(sizes, sizes + count)};
    bodies()[body] = &kernels()[key];
}

void **__cudaRegisterFatBinary(void *binary)
{
    load_kernels();
    void **handle = (void **)malloc(sizeof(void *));
    *handle = binary;
    return handle;
}
void __cudaRegisterFatBinaryEnd(void **) {}
void __cudaUnregisterFatBinary(void **handle)
{
    free(handle);
}
char __cudaInitModule(void **)
{
    return 1;
}
void __cudaRegisterFunction(void **, const char *stub, char *, const char *device_name, int, uint3 *, uint3 *, dim3 *, dim3 *,
                            int *)
{
    stubs()[stub] = device_name;
}
void __cudaRegisterVar(void **, char *, char *, const char *name, int, size_t, int, int)
{
    fprintf(stderr, "SIMT: device variable %s: not supported\n", name);
    exit(3);
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream)
{
    pushed = {grid, block, shared_bytes, stream};
    return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared_bytes, void *stream)
{
    *grid = pushed.grid;
    *block = pushed.block;
    *shared_bytes = pushed.shared_bytes;
    *(cudaStream_t *)stream = pushed.stream;
    return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *stub)
{
    *kernel = (cudaKernel_t)find_kernel(stub);
    return *kernel ? cudaSuccess : set_error(cudaErrorInvalidDeviceFunction);
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments, size_t shared_bytes,
                               cudaStream_t stream)
{
    return launch((Kernel *)kernel, grid, block, arguments, shared_bytes, stream);
}
cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments, size_t shared_bytes,
                             cudaStream_t stream)
{
    return launch(find_kernel(function), grid, block, arguments, shared_bytes, stream);
}

cudaError_t cudaGetDeviceCount(int *count)
{
    if (cudaError_t error = device_error()) return set_error(error);
    *count = 1;
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int *device)
{
    if (cudaError_t error = device_error()) return set_error(error);
    *device = 0;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device)
{
    if (cudaError_t error = device_error()) return set_error(error);
    return device ? set_error(cudaErrorInvalidDevice) : cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device)
{
    if (cudaError_t error = device_error()) return set_error(error);
    if (device) return set_error(cudaErrorInvalidDevice);
    memset(properties, 0, sizeof *properties);
    strcpy(properties->name, "SIMT stand-in (no GPU)");
    properties->totalGlobalMem = device_bytes();
    properties->major = 7;
    properties->minor = 5;
    properties->multiProcessorCount = 4; /* few, so that grids stay small */
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->sharedMemPerBlock = 48 << 10;
    properties->canMapHostMemory = 1;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int)
{
    switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = 4; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrComputeCapabilityMajor: *value = 7; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 5; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    default: return set_error(cudaErrorNotSupported);
    }
    return enter(CallKind::query);
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attributes, const void *function)
{
    if (!find_kernel(function)) return set_error(cudaErrorInvalidDeviceFunction);
    memset(attributes, 0, sizeof *attributes);
    attributes->maxThreadsPerBlock = 1024;
    return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void *, cudaFuncAttribute, int)
{
    return enter(CallKind::query);
}
cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaDeviceReset(void)
{
    flush_all();
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    return last_error(true);
}
cudaError_t cudaPeekAtLastError(void)
{
    return last_error(false);
}
/* X(name, text) of the errors this stand-in returns */
#define SIMT_ERRORS(X)                                                                              \
    X(cudaSuccess, "no error")                                                                      \
    X(cudaErrorInvalidValue, "invalid argument")                                                    \
    X(cudaErrorMemoryAllocation, "out of memory")                                                   \
    X(cudaErrorInvalidConfiguration, "invalid configuration argument")                              \
    X(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime")          \
    X(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable")             \
    X(cudaErrorInvalidDeviceFunction, "invalid device function")                                    \
    X(cudaErrorNoDevice, "no CUDA-capable device is detected")                                      \
    X(cudaErrorInvalidDevice, "invalid device ordinal")                                             \
    X(cudaErrorIllegalState, "the operation cannot be performed in the present state")              \
    X(cudaErrorNotReady, "device not ready")                                                        \
    X(cudaErrorIllegalAddress, "an illegal memory access was encountered")                          \
    X(cudaErrorLaunchFailure, "unspecified launch failure")                                         \
    X(cudaErrorNotSupported, "operation not supported")                                             \
    X(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")        \
    X(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture") \
    X(cudaErrorUnknown, "unknown error")
const char *cudaGetErrorName(cudaError_t error)
{
    switch (error) {
#define SIMT_CASE(name, text) \
    case name: return #name;
        SIMT_ERRORS(SIMT_CASE)
#undef SIMT_CASE
    default: return "unrecognized error code";
    }
}
const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
#define SIMT_CASE(name, text) \
    case name: return text;
        SIMT_ERRORS(SIMT_CASE)
#undef SIMT_CASE
    default: return "unrecognized error code";
    }
}
}
