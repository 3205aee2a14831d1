/* The field table of solver files, the conditions between their fields, the learning rate policies. */
#include "net/solver_config.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NO_POLICY = -1, TEST_COUNT_MAX = SA_SOLVER_TEST_NETS_MAX };

/* The config with what only the checks need to know. */
typedef struct solver_file {
    sa_solver_config config;
    char train_net[SA_SOLVER_PATH_BYTES];
    bool base_lr_given, gamma_given, power_given, stepsize_given;
    int32_t lr_policy, l1_decay;
    int32_t test_iter[TEST_COUNT_MAX], test_iter_count;
    sa_state_spec test_state[SA_SOLVER_TEST_NETS_MAX];
    char test_net[SA_SOLVER_TEST_NETS_MAX][SA_SOLVER_PATH_BYTES];
    int32_t test_state_count, test_net_count;
} solver_file;

static const sa_enum_name policy_names[] = {
    SA_ENUM("fixed", SA_LR_FIXED),
    SA_ENUM("step", SA_LR_STEP),
    SA_ENUM("exp", SA_LR_EXP),
    SA_ENUM("inv", SA_LR_INV),
    SA_ENUM("multistep", SA_LR_MULTISTEP),
    SA_ENUM("poly", SA_LR_POLY),
    SA_ENUM("sigmoid", SA_LR_SIGMOID),
    SA_ENUM_END,
};
static const sa_enum_name mode_names[] = {SA_ENUM("CPU", SA_SOLVER_CPU), SA_ENUM("GPU", SA_SOLVER_GPU), SA_ENUM_END};
static const sa_enum_name old_type_names[] = {
    SA_ENUM("SGD", SA_SOLVER_SGD),
    SA_ENUM("NESTEROV", SA_SOLVER_NESTEROV),
    SA_ENUM("ADAGRAD", SA_SOLVER_ADAGRAD),
    SA_ENUM("RMSPROP", SA_SOLVER_RMSPROP),
    SA_ENUM("ADADELTA", SA_SOLVER_ADADELTA),
    SA_ENUM("ADAM", SA_SOLVER_ADAM),
    SA_ENUM_END,
};
const sa_enum_name sa_solver_type_names[] = {
    SA_ENUM("SGD", SA_SOLVER_SGD),
    SA_ENUM("Nesterov", SA_SOLVER_NESTEROV),
    SA_ENUM("AdaGrad", SA_SOLVER_ADAGRAD),
    SA_ENUM("RMSProp", SA_SOLVER_RMSPROP),
    SA_ENUM("AdaDelta", SA_SOLVER_ADADELTA),
    SA_ENUM("Adam", SA_SOLVER_ADAM),
    SA_ENUM_END,
};
static const sa_enum_name regularization_names[] = {SA_ENUM("L2", false), SA_ENUM("L1", true), SA_ENUM_END};
static const sa_enum_name format_names[] = {SA_ENUM("HDF5", 0), SA_ENUM("BINARYPROTO", 1), SA_ENUM_END};
static const char separate_file[] = "name the net's own file with 'net'";

static const sa_field solver_fields[] = {
    SA_F_STRING(solver_file, config.net, "net"),
    SA_F_STRING(solver_file, train_net, "train_net"),
    SA_F_RANGE_GIVEN(solver_file, config.base_lr, base_lr_given, "base_lr", FLOAT, 0, FLT_MAX),
    SA_F_CHOICE(solver_file, lr_policy, "lr_policy", policy_names),
    SA_F_GIVEN(solver_file, config.gamma, gamma_given, "gamma", FLOAT),
    SA_F_GIVEN(solver_file, config.power, power_given, "power", FLOAT),
    SA_F_RANGE_GIVEN(solver_file, config.stepsize, stepsize_given, "stepsize", INT32, 0, INT32_MAX),
    SA_F_REPEATED_RANGE(solver_file, config.stepvalue, config.stepvalue_count, "stepvalue", INT32, 0, INT32_MAX),
    SA_F_RANGE(solver_file, config.momentum, "momentum", FLOAT, 0, 1),
    SA_F_RANGE(solver_file, config.weight_decay, "weight_decay", FLOAT, 0, FLT_MAX),
    SA_F_CHOICE(solver_file, l1_decay, "regularization_type", regularization_names),
    SA_F_RANGE(solver_file, config.max_iter, "max_iter", INT32, 0, INT32_MAX),
    SA_F_RANGE(solver_file, config.display, "display", INT32, 0, INT32_MAX),
    SA_F_RANGE(solver_file, config.average_loss, "average_loss", INT32, 1, INT32_MAX),
    SA_F_RANGE(solver_file, config.snapshot, "snapshot", INT32, 0, INT32_MAX),
    SA_F_STRING(solver_file, config.snapshot_prefix, "snapshot_prefix"),
    SA_F_SINGLE(solver_file, config.snapshot_after_train, "snapshot_after_train", BOOL),
    SA_F_SINGLE(solver_file, config.random_seed, "random_seed", INT64),
    SA_F_ENUM(solver_file, config.solver_mode, "solver_mode", mode_names),
    SA_F_ENUM(solver_file, config.type, "solver_type", old_type_names),
    SA_F_CHOICE(solver_file, config.type, "type", sa_solver_type_names),
    SA_F_ENUM_CHECKED("snapshot_format", format_names),
    SA_F_RANGE(solver_file, config.iter_size, "iter_size", INT32, 1, 65536),
    SA_F_SINGLE(solver_file, config.clip_gradients, "clip_gradients", FLOAT),
    SA_F_RANGE(solver_file, config.delta, "delta", FLOAT, 0, FLT_MAX),
    SA_F_RANGE(solver_file, config.rms_decay, "rms_decay", FLOAT, 0, 1),
    SA_F_RANGE(solver_file, config.momentum2, "momentum2", FLOAT, 0, 1),
    SA_F_REFUSED("net_param", separate_file),
    SA_F_REFUSED("train_net_param", separate_file),
    SA_F_MESSAGE(solver_file, config.train_state, "train_state", sa_state_fields),
    SA_F_REFUSED("weights", "caffemodel files are not read; --resume continues from a snapshot of segarena"),
    SA_F_REPEATED(solver_file, test_net, test_net_count, "test_net", STRING),
    SA_F_REPEATED_MESSAGE(solver_file, test_state, test_state_count, "test_state", sa_state_fields),
    SA_F_REPEATED(solver_file, test_iter, test_iter_count, "test_iter", INT32),
    SA_F_REFUSED("test_net_param", "name the test net's own file with 'test_net'"),
    SA_F_RANGE(solver_file, config.test_interval, "test_interval", INT32, 0, INT32_MAX),
    SA_F_SINGLE(solver_file, config.test_initialization, "test_initialization", BOOL),
    SA_F_IGNORED("test_compute_loss"),
    SA_F_IGNORED("snapshot_diff"),
    SA_F_IGNORED("device_id"),
    SA_F_IGNORED("debug_info"),
    SA_F_IGNORED("layer_wise_reduce"),
    SA_F_END,
};

static int line_of(const sa_proto_document *document, const char *name)
{
    const sa_proto_field *field = sa_proto_find(&document->root, name);
    return field ? field->line : 1;
}

#define SOLVER_FAIL(document, name, ...) \
    return sa_proto_error((document), line_of((document), (name)), SA_PARSE, "solver", __VA_ARGS__)

#define SOLVER_IO_FAIL(document, name, ...) \
    return sa_proto_error((document), line_of((document), (name)), SA_IO, "solver", __VA_ARGS__)

/* What each policy needs besides base_lr. */
static sa_status check_policy(const sa_proto_document *document, const solver_file *file)
{
    const sa_solver_config *config = &file->config;
    bool uses_gamma = file->lr_policy != SA_LR_FIXED && file->lr_policy != SA_LR_POLY;
    bool uses_power = file->lr_policy == SA_LR_INV || file->lr_policy == SA_LR_POLY;
    const char *policy = policy_names[file->lr_policy].name;
    if (uses_gamma && !file->gamma_given) SOLVER_FAIL(document, "lr_policy", "lr_policy \"%s\" needs 'gamma'", policy);
    if (uses_power && !file->power_given) SOLVER_FAIL(document, "lr_policy", "lr_policy \"%s\" needs 'power'", policy);
    if (uses_gamma && config->gamma < 0 && file->lr_policy != SA_LR_SIGMOID)
        SOLVER_FAIL(document, "gamma", "'gamma' is %g; lr_policy \"%s\" needs it to be at least 0", (double)config->gamma, policy);
    if (file->lr_policy == SA_LR_STEP && config->stepsize < 1)
        SOLVER_FAIL(document, file->stepsize_given ? "stepsize" : "lr_policy",
                    "lr_policy \"step\" needs a 'stepsize' of at least 1");
    if (file->lr_policy == SA_LR_SIGMOID && !file->stepsize_given)
        SOLVER_FAIL(document, "lr_policy", "lr_policy \"sigmoid\" needs 'stepsize', the step where the rate is half of base_lr");
    if (file->lr_policy == SA_LR_MULTISTEP && !config->stepvalue_count)
        SOLVER_FAIL(document, "lr_policy", "lr_policy \"multistep\" needs at least one 'stepvalue'");
    for (int i = 1; i < config->stepvalue_count; i++)
        if (config->stepvalue[i] <= config->stepvalue[i - 1])
            SOLVER_FAIL(document, "stepvalue", "stepvalue %d follows %d; they must ascend", (int)config->stepvalue[i],
                        (int)config->stepvalue[i - 1]);
    if (file->lr_policy == SA_LR_POLY && config->max_iter < 1)
        SOLVER_FAIL(document, "lr_policy", "lr_policy \"poly\" needs a 'max_iter' of at least 1");
    if (file->lr_policy == SA_LR_POLY && config->power < 0)
        SOLVER_FAIL(document, "power", "'power' is %g; lr_policy \"poly\" needs it to be at least 0", (double)config->power);
    return SA_OK;
}

/* Which net, as Caffe requires it. */
static sa_status check_net(const sa_proto_document *document, solver_file *file)
{
    if (sa_proto_find(&document->root, "type") && sa_proto_find(&document->root, "solver_type"))
        SOLVER_FAIL(document, "solver_type", "'solver_type' is the old form of 'type': give one of them");
    if (file->config.net[0] && file->train_net[0]) SOLVER_FAIL(document, "train_net", "give either 'net' or 'train_net', not both");
    if (file->train_net[0]) memcpy(file->config.net, file->train_net, sizeof file->config.net);
    if (!file->config.net[0]) SOLVER_FAIL(document, "net", "'net', the file of the net to train, is missing");
    return SA_OK;
}

/* One test net per test_iter: those of test_net first, then the net that is trained. Caffe: Solver::InitTestNets. */
static sa_status take_test_nets(const sa_proto_document *document, solver_file *file)
{
    sa_solver_config *config = &file->config;
    bool separate = file->train_net[0] != '\0';
    if (file->test_net_count > file->test_iter_count)
        SOLVER_FAIL(document, "test_net", "%d test nets need as many 'test_iter'; there are %d", (int)file->test_net_count,
                    (int)file->test_iter_count);
    if (separate && file->test_iter_count > file->test_net_count)
        SOLVER_FAIL(document, "test_iter", "'test_iter' is given %d times for %d 'test_net'", (int)file->test_iter_count,
                    (int)file->test_net_count);
    if (file->test_state_count && file->test_state_count != file->test_iter_count)
        SOLVER_FAIL(document, "test_state", "'test_state' is given %d times for %d test nets", (int)file->test_state_count,
                    (int)file->test_iter_count);
    for (int i = 0; i < file->test_iter_count; i++) {
        if (file->test_iter[i] < 1) continue; /* never run, so never allocated */
        sa_solver_test_net *net = &config->test_net[config->test_net_count++];
        net->batches = file->test_iter[i];
        if (i < file->test_net_count) memcpy(net->path, file->test_net[i], sizeof net->path);
        if (i < file->test_state_count) net->state = file->test_state[i];
        if (!net->state.phase_given) net->state.phase = SA_PHASE_TEST;
        net->state.phase_given = true;
    }
    return SA_OK;
}

static sa_status check_rates(const sa_proto_document *document, solver_file *file)
{
    if (!file->base_lr_given) SOLVER_FAIL(document, "base_lr", "'base_lr', the learning rate, is missing");
    if (file->lr_policy == NO_POLICY) SOLVER_FAIL(document, "lr_policy", "'lr_policy' is missing; \"fixed\" keeps base_lr");
    SA_TRY(check_policy(document, file));
    file->config.lr_policy = file->lr_policy;
    return SA_OK;
}

/* Caffe: AdaGradSolver, RMSPropSolver, SGDSolver::ClipGradients. */
static sa_status check_update(const sa_proto_document *document, const solver_file *file)
{
    const int32_t type = file->config.type;
    if (file->config.clip_gradients == 0.0f)
        SOLVER_FAIL(document, "clip_gradients",
                    "'clip_gradients: 0' would make every gradient 0; a negative value turns clipping off");
    if ((type != SA_SOLVER_ADAGRAD && type != SA_SOLVER_RMSPROP) || file->config.momentum == 0.0f) return SA_OK;
    SOLVER_FAIL(document, "momentum", "type \"%s\" has no momentum: leave 'momentum' out", sa_solver_type_names[type].name);
}

/* The table without what training refuses. */
static void accept_all(sa_field table[SA_FIELDS_MAX_ROWS])
{
    for (size_t i = 0; i < sizeof solver_fields / sizeof solver_fields[0]; i++) {
        table[i] = solver_fields[i];
        if (table[i].type == SA_FIELD_REFUSED) table[i].type = SA_FIELD_IGNORED;
        if (table[i].note) table[i].bounded = false;
    }
}

static sa_status decode(const sa_proto_document *document, const sa_field *table, solver_file *file)
{
    *file = (solver_file){.lr_policy = NO_POLICY,
                          .config = {.average_loss = 1,
                                     .iter_size = 1,
                                     .clip_gradients = -1,
                                     .delta = 1e-8f,
                                     .rms_decay = 0.99f,
                                     .momentum2 = 0.999f,
                                     .snapshot_after_train = true,
                                     .random_seed = -1,
                                     .solver_mode = SA_SOLVER_GPU,
                                     .test_initialization = true}};
    SA_TRY(sa_fields_decode(document, &document->root, table, "solver", NULL, file));
    file->config.l1_decay = file->l1_decay;
    return check_net(document, file);
}

sa_status sa_solver_config_read(const sa_proto_document *document, sa_solver_config *config)
{
    solver_file file;
    SA_TRY(decode(document, solver_fields, &file));
    SA_TRY(check_update(document, &file));
    SA_TRY(check_rates(document, &file));
    SA_TRY(take_test_nets(document, &file));
    if (file.config.test_net_count > 0 && file.config.test_interval < 1)
        SOLVER_FAIL(document, "test_iter", "'test_iter' needs a 'test_interval', the steps between tests");
    *config = file.config;
    return SA_OK;
}

sa_status sa_solver_config_read_any(const sa_proto_document *document, sa_solver_config *config)
{
    sa_field table[SA_FIELDS_MAX_ROWS];
    solver_file file;
    accept_all(table);
    SA_TRY(decode(document, table, &file));
    SA_TRY(take_test_nets(document, &file));
    *config = file.config;
    return SA_OK;
}

/* Replaces a path that does not stand by itself by one beside the solver file. */
static sa_status find_file(const sa_proto_document *document, const char *field, char path[SA_SOLVER_PATH_BYTES])
{
    char beside[SA_SOLVER_PATH_BYTES];
    const char *slash = strrchr(document->path, '/');
    int folder_length = slash ? (int)(slash - document->path) + 1 : 0;
    if (access(path, R_OK) == 0) return SA_OK;
    if (path[0] == '/' || folder_length == 0) SOLVER_IO_FAIL(document, field, "net file '%.256s' cannot be read", path);
    int length = snprintf(beside, sizeof beside, "%.*s%s", folder_length, document->path, path);
    if (length < 0 || length >= (int)sizeof beside || access(beside, R_OK) != 0)
        SOLVER_IO_FAIL(document, field,
                       "net file '%.256s' cannot be read, neither from the working directory nor beside the solver file", path);
    memcpy(path, beside, (size_t)length + 1);
    return SA_OK;
}

static sa_status find_nets(const sa_proto_document *document, sa_solver_config *config)
{
    SA_TRY(find_file(document, sa_proto_find(&document->root, "net") ? "net" : "train_net", config->net));
    for (int i = 0; i < config->test_net_count; i++)
        if (config->test_net[i].path[0]) SA_TRY(find_file(document, "test_net", config->test_net[i].path));
    return SA_OK;
}

static sa_status load(const char *path, sa_status (*read)(const sa_proto_document *, sa_solver_config *), sa_solver_config *config)
{
    sa_proto_document *document = NULL;
    sa_solver_config loaded;
    SA_TRY(sa_proto_parse_file(path, &document));
    sa_status status = read(document, &loaded);
    if (status == SA_OK) status = find_nets(document, &loaded);
    sa_proto_free(document);
    if (status == SA_OK) *config = loaded;
    return status;
}

sa_status sa_solver_config_load(const char *path, sa_solver_config *config)
{
    return load(path, sa_solver_config_read, config);
}

sa_status sa_solver_config_load_any(const char *path, sa_solver_config *config)
{
    return load(path, sa_solver_config_read_any, config);
}

sa_program_options sa_solver_program_options(const sa_solver_config *config)
{
    return (sa_program_options){.training = true,
                                .as_iter_size = true,
                                .rule = {.kind = (sa_update_kind)config->type,
                                         .l1 = config->l1_decay,
                                         .momentum = config->momentum,
                                         .momentum2 = config->momentum2,
                                         .rms_decay = config->rms_decay,
                                         .delta = config->delta,
                                         .clip = config->clip_gradients > 0.0f ? config->clip_gradients : 0.0f,
                                         .passes = config->iter_size},
                                .weight_decay = config->weight_decay};
}

static int steps_passed(const sa_solver_config *config, uint32_t step)
{
    int passed = 0;
    while (passed < config->stepvalue_count && step >= (uint32_t)config->stepvalue[passed]) passed++;
    return passed;
}

/* Caffe takes whole powers in double and the others in float; the differences show where 1 - t / max_iter is small. */
float sa_solver_rate(const sa_solver_config *config, uint32_t step)
{
    float base = config->base_lr, gamma = config->gamma, t = (float)step;
    switch ((sa_lr_policy)config->lr_policy) {
    case SA_LR_FIXED: return base;
    case SA_LR_STEP: return (float)(base * pow(gamma, step / (uint32_t)config->stepsize));
    case SA_LR_EXP: return (float)(base * pow(gamma, step));
    case SA_LR_INV: return base * powf(1.0f + gamma * t, -config->power);
    case SA_LR_MULTISTEP: return (float)(base * pow(gamma, steps_passed(config, step)));
    case SA_LR_POLY: return base * powf(fmaxf(1.0f - t / (float)config->max_iter, 0.0f), config->power);
    case SA_LR_SIGMOID: return base * (1.0f / (1.0f + expf(-gamma * (t - (float)config->stepsize))));
    }
    return base;
}
