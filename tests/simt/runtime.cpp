/* The rest of libcudart's interface: registration of kernels, launches, device properties, errors.
 *
 * An nvcc-built binary registers each kernel's host stub under its mangled name; the object named by SA_SIMT_KERNELS, the same
 * sources built by g++, registers bodies under the name in SIMT_KERNEL. A launch joins the two. SA_SIMT_DEVICE=none plays a
 * machine without a card (error 100), nodriver one without a driver (error 35). limits.h says which launches are refused. */
#include "engine.h"
#include "faults.h"
#include "limits.h"
#include "memory.h"
#include "streams.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>
#include <map>
#include <mutex>
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
/* A registered program part: its container, read at the first use. */
struct Module {
    const void *container;
    FatBinary *binary;
};
struct Stub {
    Function function;
    Module *module;
    Kernel *kernel;
};
static std::map<const void *, Stub> &stubs()
{
    static std::map<const void *, Stub> by_stub;
    return by_stub;
}
static std::vector<Module *> &modules()
{
    static std::vector<Module *> list;
    return list;
}
static const FatBinary *binary_of(Module *module)
{
    if (!module->binary) module->binary = new FatBinary(read_fat_binary(module->container));
    return module->binary;
}

/* The oldest architecture that all of the program has machine code for. */
static int oldest_architecture()
{
    int oldest = 0;
    for (Module *module : modules())
        for (int number : binary_of(module)->cubins)
            if (!binary_of(module)->kernels.empty() && (!oldest || number < oldest)) oldest = number;
    return oldest ? oldest : 75;
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

/* The kernel behind a host stub, or behind its CPU body itself, which has no limits. nullptr: unknown. */
static Stub *find_kernel(const void *function)
{
    auto stub = stubs().find(function);
    if (stub == stubs().end()) {
        auto body = bodies().find(function);
        if (body == bodies().end()) return nullptr;
        return &(stubs()[function] = {{}, nullptr, body->second});
    }
    Stub &s = stub->second;
    if (s.kernel) return &s;
    std::string name = kernel_name(s.function.name.c_str());
    auto found = kernels().find(name);
    if (found == kernels().end()) {
        fprintf(stderr, "SIMT: no CPU body for kernel %s (%s)\n", name.c_str(), s.function.name.c_str());
        return nullptr;
    }
    s.kernel = &found->second;
    s.function.binary = binary_of(s.module);
    return &s;
}

/* SA_SIMT_LAUNCHES=FILE: how often each kernel was launched or recorded, written when the process ends. */
static void count_launch(const std::string &kernel)
{
    static std::map<std::string, long> *counts;
    static std::mutex mutex;
    if (!getenv("SA_SIMT_LAUNCHES")) return;
    std::lock_guard<std::mutex> lock(mutex);
    if (!counts) {
        counts = new std::map<std::string, long>;
        atexit([] {
            FILE *file = fopen(getenv("SA_SIMT_LAUNCHES"), "w");
            for (const auto &entry : *counts)
                if (file) fprintf(file, "%s %ld\n", entry.first.c_str(), entry.second);
            if (file) fclose(file);
        });
    }
    ++(*counts)[kernel];
}

/* The cubin and the CPU body come from one source: their parameters have to agree. */
static void compare_parameters(const Stub &stub)
{
    size_t total = 0, count = stub.kernel->argument_bytes.size();
    for (size_t bytes : stub.kernel->argument_bytes) total += bytes;
    if (!stub.function.binary) return;
    auto found = stub.function.binary->kernels.find(stub.function.name);
    if (found == stub.function.binary->kernels.end()) return;
    for (const KernelLimits &l : found->second)
        if (l.parameter_bytes < total || l.parameter_bytes > total + 16 * count)
            fail("%s takes %zu bytes of parameters in the cubin of sm_%d and %zu in its CPU body: run 'make simt'",
                 stub.kernel->name.c_str(), l.parameter_bytes, l.architecture, total);
}

static cudaError_t launch(const Stub *stub, dim3 grid, dim3 block, void **arguments, size_t shared_bytes, cudaStream_t stream)
{
    if (cudaError_t error = enter(CallKind::launch)) return error;
    if (!stub) return set_error(cudaErrorInvalidDeviceFunction);
    const Kernel *kernel = stub->kernel;
    compare_parameters(*stub);
    count_launch(kernel->name);
    if (cudaError_t error = check_launch(stub->function, kernel->name.c_str(), grid, block, shared_bytes)) return error;
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
    struct Wrapper { /* what nvcc puts into the section .nvFatBinSegment */
        int magic, version;
        const void *container, *unused;
    };
    const Wrapper *wrapper = (const Wrapper *)binary;
    if (wrapper->magic != 0x466243b1) fail("__cudaRegisterFatBinary: magic %08x", wrapper->magic);
    load_kernels();
    modules().push_back(new Module{wrapper->container, nullptr});
    return (void **)modules().back();
}
void __cudaRegisterFatBinaryEnd(void **) {}
void __cudaUnregisterFatBinary(void **) {} /* at exit: kernels that are left may still be looked up */
char __cudaInitModule(void **)
{
    return 1;
}
void __cudaRegisterFunction(void **module, const char *stub, char *, const char *device_name, int, uint3 *, uint3 *, dim3 *, dim3 *,
                            int *)
{
    Function function;
    function.name = device_name;
    stubs()[stub] = {function, (Module *)module, nullptr};
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
    return launch((Stub *)kernel, grid, block, arguments, shared_bytes, stream);
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
    const Architecture &a = card(oldest_architecture());
    properties->major = a.number / 10;
    properties->minor = a.number % 10;
    properties->multiProcessorCount = 4; /* few, so that grids stay small */
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsPerMultiProcessor = a.multiprocessor_threads;
    properties->regsPerBlock = properties->regsPerMultiprocessor = BLOCK_REGISTERS;
    properties->sharedMemPerBlock = DEFAULT_SHARED_BYTES;
    properties->sharedMemPerBlockOptin = a.opt_in_shared_bytes;
    properties->sharedMemPerMultiprocessor = a.multiprocessor_shared_bytes;
    properties->maxGridSize[0] = 0x7fffffff;
    properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
    properties->canMapHostMemory = 1;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device)
{
    cudaDeviceProp p;
    if (cudaError_t error = enter(CallKind::query)) return error;
    if (cudaError_t error = cudaGetDeviceProperties(&p, device)) return error;
    switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = (int)p.sharedMemPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = (int)p.sharedMemPerBlockOptin; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = (int)p.sharedMemPerMultiprocessor; break;
    case cudaDevAttrMaxRegistersPerBlock: *value = p.regsPerBlock; break;
    case cudaDevAttrWarpSize: *value = p.warpSize; break;
    default: return set_error(cudaErrorNotSupported);
    }
    return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attributes, const void *function)
{
    if (cudaError_t error = enter(CallKind::query)) return error;
    const Stub *stub = find_kernel(function);
    return stub ? get_attributes(stub->function, attributes) : set_error(cudaErrorInvalidDeviceFunction);
}
cudaError_t cudaFuncSetAttribute(const void *function, cudaFuncAttribute attribute, int value)
{
    if (cudaError_t error = enter(CallKind::query)) return error;
    Stub *stub = find_kernel(function);
    if (!stub) return set_error(cudaErrorInvalidDeviceFunction);
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) return set_max_dynamic_shared(stub->function, value);
    bool hint = attribute == cudaFuncAttributePreferredSharedMemoryCarveout && value >= -1 && value <= 100;
    return hint ? cudaSuccess : set_error(cudaErrorInvalidValue);
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
    X(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device")  \
    X(cudaErrorLaunchOutOfResources, "too many resources requested for launch")                     \
    X(cudaErrorMisalignedAddress, "misaligned address")                                             \
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
